add_test(NAME cli.dockerctl COMMAND /usr/bin/python3 -B
	${CMAKE_CURRENT_SOURCE_DIR}/cli/dockerctl_test.py $<TARGET_FILE:dockerctl> -v)
set_tests_properties(cli.dockerctl PROPERTIES LABELS cli TIMEOUT 300)
foreach(NAME table terminal browse)
	add_test(NAME cli.${NAME} COMMAND /usr/bin/python3 -B
		${CMAKE_CURRENT_SOURCE_DIR}/cli/${NAME}_test.py $<TARGET_FILE:dockerctl> -v)
	set_tests_properties(cli.${NAME} PROPERTIES LABELS cli TIMEOUT 300)
endforeach()
add_test(NAME cli.service COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/cli/service_test.py
	$<TARGET_FILE:dockerctl> $<TARGET_FILE:fuel-backupd> -v)
set_tests_properties(cli.service PROPERTIES LABELS cli TIMEOUT 300)
