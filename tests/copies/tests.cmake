# The protocols of transfer/, each against its real server on loopback: copies.NAME of NAME_test.py.  Servers
# that are not installed (dev/install test) are named and skipped.
add_executable(copies_verbs ${CMAKE_CURRENT_SOURCE_DIR}/copies/verbs.c)
target_link_libraries(copies_verbs PRIVATE transfer)
add_executable(copies_packs ${CMAKE_CURRENT_SOURCE_DIR}/copies/packs.c)
target_link_libraries(copies_packs PRIVATE jobs)
file(GLOB COPIES_TESTS CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/copies/*_test.py)
foreach(TEST ${COPIES_TESTS})
	get_filename_component(NAME ${TEST} NAME_WE)
	string(REGEX REPLACE "_test$" "" NAME ${NAME})
	add_test(NAME copies.${NAME} COMMAND /usr/bin/python3 -B ${TEST} $<TARGET_FILE:copies_verbs>)
	set_tests_properties(copies.${NAME} PROPERTIES LABELS copies TIMEOUT 600 SKIP_RETURN_CODE 77
		ENVIRONMENT FB_DAEMON=$<TARGET_FILE:fuel-backupd>)
endforeach()
