# Tests of the API on a service of their own, with a scripted engine: no Docker is needed.  The
# records go where FB_CONTRACT_RECORDS says; if it does not, into a folder here, emptied before.
set(API_TEST /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/api)
set(API_RECORDS --records ${CMAKE_BINARY_DIR}/contract-records)

add_test(NAME api.lint COMMAND ${API_TEST}/lint_spec.py)
add_test(NAME api.api COMMAND ${API_TEST}/api_test.py ${API_RECORDS} $<TARGET_FILE:fuel-backupd>)
add_test(NAME api.contract COMMAND ${API_TEST}/contract_test.py ${API_RECORDS})
set_tests_properties(api.lint api.api api.contract PROPERTIES LABELS api TIMEOUT 900)
set_tests_properties(api.contract PROPERTIES DEPENDS api.api)
