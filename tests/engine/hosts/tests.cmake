# Cases from hosts as they are: each takes its containers, volumes and networks away again.
file(GLOB SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/engine/hosts/*_test.py)
foreach(SOURCE ${SOURCES})
	get_filename_component(NAME ${SOURCE} NAME_WE)
	string(REGEX REPLACE "_test$" "" NAME ${NAME})
	add_test(NAME engine.hosts_${NAME} COMMAND ${ENGINE} run /usr/bin/python3 -B ${SOURCE} -v)
	set_tests_properties(engine.hosts_${NAME} PROPERTIES LABELS engine TIMEOUT 900
		FIXTURES_REQUIRED "engine;engine_images" RESOURCE_LOCK engine)
endforeach()
