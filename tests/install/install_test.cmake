# Run by CTest: see CMakeLists.txt.
file(REMOVE_RECURSE ${scratch})
file(MAKE_DIRECTORY ${scratch})
function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${scratch} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    string(REPLACE ";" " " command "${ARGN}")
    message(FATAL_ERROR "${command}\n${output}")
  endif()
endfunction()

run(${CMAKE_COMMAND} --install ${build} --config ${config} --prefix ${scratch}/prefix)
run(${CMAKE_COMMAND} -G ${generator} -S ${consumer} -B ${scratch}/build -D CMAKE_PREFIX_PATH=${scratch}/prefix
  -D CMAKE_CXX_COMPILER=${compiler})
run(${CMAKE_COMMAND} --build ${scratch}/build)
run(${scratch}/build/consumer)
file(REMOVE_RECURSE ${scratch})
