# Tests in Debian's chromium; skipped where it, node or playwright-core (package.json) is missing.
add_test(NAME browser.button COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/browser/button_test.py
	$<TARGET_FILE:fuel-backupd>)
set_tests_properties(browser.button PROPERTIES LABELS browser TIMEOUT 600 SKIP_RETURN_CODE 77)
