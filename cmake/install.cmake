include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(weft_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/weft")
configure_package_config_file(cmake/weft-config.cmake.in weft-config.cmake INSTALL_DESTINATION "${weft_package_dir}")
write_basic_package_version_file(weft-config-version.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)

install(TARGETS weft EXPORT weft-targets FILE_SET HEADERS)
install(EXPORT weft-targets NAMESPACE weft:: DESTINATION "${weft_package_dir}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/weft-config.cmake" "${CMAKE_CURRENT_BINARY_DIR}/weft-config-version.cmake"
        DESTINATION "${weft_package_dir}")
