add_test(NAME cli.dockerctl COMMAND /usr/bin/python3 -B
	${CMAKE_CURRENT_SOURCE_DIR}/cli/dockerctl_test.py $<TARGET_FILE:dockerctl> -v)
set_tests_properties(cli.dockerctl PROPERTIES LABELS cli TIMEOUT 300)
