# cmake --install: the library, its headers and a package for find_package(Sterna).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
install(TARGETS sterna EXPORT SternaTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/sterna DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT SternaTargets NAMESPACE Sterna:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Sterna)
configure_package_config_file(cmake/SternaConfig.cmake.in ${PROJECT_BINARY_DIR}/SternaConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Sterna)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/SternaConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES cmake/openblas.cmake ${PROJECT_BINARY_DIR}/SternaConfig.cmake ${PROJECT_BINARY_DIR}/SternaConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Sterna)
