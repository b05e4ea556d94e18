# Tests in Debian's chromium; skipped where it, node or what package.json names is missing.  Screenshots are kept.
foreach(NAME button page lighthouse)
	add_test(NAME browser.${NAME} COMMAND /usr/bin/python3 -B ${CMAKE_CURRENT_SOURCE_DIR}/browser/${NAME}_test.py
		$<TARGET_FILE:fuel-backupd>)
	set_tests_properties(browser.${NAME} PROPERTIES LABELS browser TIMEOUT 900 SKIP_RETURN_CODE 77
		ENVIRONMENT FB_PICTURES=${CMAKE_BINARY_DIR}/pictures)
endforeach()
