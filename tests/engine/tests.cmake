# Tests on a real engine of their own (tests/engine/engine).  Its start and end are fixtures, so that
# nothing is left running when a test fails; dev/test ends it as well, whatever happens.
set(ENGINE ${CMAKE_CURRENT_SOURCE_DIR}/engine/engine)

add_test(NAME engine.start COMMAND ${ENGINE} start)
add_test(NAME engine.images COMMAND ${ENGINE} with ${CMAKE_CURRENT_SOURCE_DIR}/engine/images)
add_test(NAME engine.service_image COMMAND ${ENGINE} with ${CMAKE_SOURCE_DIR}/dev/image)
add_test(NAME engine.stop COMMAND ${ENGINE} stop)
set_tests_properties(engine.start PROPERTIES FIXTURES_SETUP engine)
set_tests_properties(engine.stop PROPERTIES FIXTURES_CLEANUP engine)
set_tests_properties(engine.images engine.service_image PROPERTIES
	FIXTURES_SETUP engine_images FIXTURES_REQUIRED engine RESOURCE_LOCK engine
	ENVIRONMENT FUEL_BACKUP_PULL=no)
set_tests_properties(engine.start engine.images engine.service_image engine.stop PROPERTIES
	LABELS engine TIMEOUT 900)

file(GLOB SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/engine/*_test.py)
foreach(SOURCE ${SOURCES})
	get_filename_component(NAME ${SOURCE} NAME_WE)
	string(REGEX REPLACE "_test$" "" NAME ${NAME})
	add_test(NAME engine.${NAME} COMMAND ${ENGINE} run /usr/bin/python3 -B ${SOURCE} -v)
	set_tests_properties(engine.${NAME} PROPERTIES LABELS engine TIMEOUT 900
		FIXTURES_REQUIRED "engine;engine_images" RESOURCE_LOCK engine)
endforeach()
set_tests_properties(engine.page PROPERTIES SKIP_RETURN_CODE 77 ENVIRONMENT FB_PICTURES=${CMAKE_BINARY_DIR}/pictures/engine)
include(${CMAKE_CURRENT_SOURCE_DIR}/engine/hosts/tests.cmake)

# Engines of other kinds beside that of all tests; it runs outside of their name spaces.  Their roots are made where the
# machine's mirror is reached; where that cannot be, what needs them is skipped, and says so.
set(MATRIX /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/engine/matrix/matrix_test.py -v)
add_test(NAME engine.matrix COMMAND ${MATRIX} MatrixTest.test_1_cycle MatrixTest.test_4_platforms_in_one_index)
add_test(NAME engine.remapped COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/engine/matrix/remapped_test.py -v
	RemappedTest.test_from_remapped)
set_tests_properties(engine.remapped PROPERTIES LABELS engine TIMEOUT 900
	FIXTURES_REQUIRED "engine;engine_images" RESOURCE_LOCK engine SKIP_REGULAR_EXPRESSION "NOTHING was tested")
# Archives carried between engines are dev/soak's.
set_tests_properties(engine.matrix PROPERTIES LABELS engine TIMEOUT 1800
	FIXTURES_REQUIRED "engine;engine_images" RESOURCE_LOCK engine SKIP_REGULAR_EXPRESSION "NOTHING was tested")

# A storage driver that keeps whole trees, on such an engine, too.
add_test(NAME engine.trees COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/engine/matrix/trees_test.py -v)
set_tests_properties(engine.trees PROPERTIES LABELS engine TIMEOUT 900
	FIXTURES_REQUIRED "engine;engine_images" RESOURCE_LOCK engine)

# A Swarm of one node on such an engine, too.
add_test(NAME engine.swarm COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/engine/swarm/swarm_test.py -v)
set_tests_properties(engine.swarm PROPERTIES LABELS engine TIMEOUT 900
	FIXTURES_REQUIRED "engine;engine_images" RESOURCE_LOCK engine)
