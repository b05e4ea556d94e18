# Each finding of a security review as a test that failed before: security.NAME of NAME_test.py, given the service's
# program and dockerctl.  What wants an engine of its own is in tests/engine.
file(GLOB SECURITY_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/security/*_test.py)
foreach(TEST ${SECURITY_TESTS})
	get_filename_component(NAME ${TEST} NAME_WE)
	string(REGEX REPLACE "_test$" "" NAME ${NAME})
	add_test(NAME security.${NAME} COMMAND /usr/bin/python3 -B ${TEST} $<TARGET_FILE:fuel-backupd>)
	set_tests_properties(security.${NAME} PROPERTIES LABELS security TIMEOUT 900
		ENVIRONMENT "FB_DOCKERCTL=$<TARGET_FILE:dockerctl>")
endforeach()
# What somebody who is not trusted tries on a real engine (tests/engine); the service also on the host itself.
file(GLOB SECURITY_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/security/engine/*_test.py)
foreach(TEST ${SECURITY_TESTS})
	get_filename_component(NAME ${TEST} NAME_WE)
	string(REGEX REPLACE "_test$" "" NAME ${NAME})
	add_test(NAME security.engine_${NAME} COMMAND ${ENGINE} run /usr/bin/python3 -B ${TEST} -v)
	set_tests_properties(security.engine_${NAME} PROPERTIES LABELS engine TIMEOUT 900
		FIXTURES_REQUIRED "engine;engine_images" RESOURCE_LOCK engine
		ENVIRONMENT FB_DAEMON=$<TARGET_FILE:fuel-backupd>)
endforeach()
# The freezes once more with the second version of cgroups, and on an engine without live-restore.
set(ON_OTHER ${CMAKE_CURRENT_SOURCE_DIR}/security/engine/on_other)
add_test(NAME security.engine_freeze_cgroup2 COMMAND ${ON_OTHER} host+cgroup2+live freeze_matrix_test.py
	ProcessesTest.test_service_killed ProcessesTest.test_service_stopped HandTest)
add_test(NAME security.engine_freeze_alone COMMAND ${ON_OTHER} host freeze_matrix_test.py EngineTest.test_engine_killed)
set_tests_properties(security.engine_freeze_cgroup2 security.engine_freeze_alone PROPERTIES LABELS engine TIMEOUT 900
	FIXTURES_REQUIRED "engine;engine_images" RESOURCE_LOCK engine
	ENVIRONMENT FB_DAEMON=$<TARGET_FILE:fuel-backupd>)
