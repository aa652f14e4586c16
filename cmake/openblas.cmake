# Sterna::linalg: OpenBLAS and LAPACKE to link with, also for programs that link the installed library.
# Only for who uses them (--as-needed): loading OpenBLAS starts its threads, and a program that never multiplies matrices
# pays neither the 10 ms nor the memory.
pkg_check_modules(OPENBLAS REQUIRED openblas)
pkg_check_modules(LAPACKE REQUIRED lapacke)
list(JOIN OPENBLAS_LINK_LIBRARIES "," sterna_openblas)
list(JOIN LAPACKE_LINK_LIBRARIES "," sterna_lapacke)
if(NOT TARGET Sterna::linalg)
  add_library(Sterna::linalg INTERFACE IMPORTED)
endif()
set_property(TARGET Sterna::linalg PROPERTY
  # One item, so that nothing comes between.
  INTERFACE_LINK_LIBRARIES "-Wl,--push-state,--as-needed,${sterna_lapacke},${sterna_openblas},--pop-state")
