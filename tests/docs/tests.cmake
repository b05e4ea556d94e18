# The commands that docs/ shows are run: those of the API's tour here, the drill's on an engine (tests/engine/drill_test.py).
add_test(NAME docs.tour COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/docs/tour_test.py
	$<TARGET_FILE:fuel-backupd> -v)
set_tests_properties(docs.tour PROPERTIES LABELS api TIMEOUT 600)
add_test(NAME docs.tls COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/docs/tls_test.py
	$<TARGET_FILE:fuel-backupd> $<TARGET_FILE:dockerctl> -v)
set_tests_properties(docs.tls PROPERTIES LABELS api TIMEOUT 600)
add_test(NAME docs.start COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/docs/start_test.py -v)
set_tests_properties(docs.start PROPERTIES LABELS api TIMEOUT 60)
