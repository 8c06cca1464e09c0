# What goes into the relocatable bundle, and how its programs find their libraries: ../lib from each
# program's folder. DT_RPATH rather than DT_RUNPATH, because it also holds for the libraries that a
# library needs; Debian's carry no path of their own.
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib")
add_link_options("$<$<STREQUAL:$<TARGET_PROPERTY:TYPE>,EXECUTABLE>:-Wl,--disable-new-dtags>")

# Installs a target in `folder` of the bundle.
function(earshot_bundled target folder)
  install(TARGETS ${target} DESTINATION ${folder})
  set_property(GLOBAL APPEND PROPERTY EARSHOT_BUNDLED ${target})
endfunction()
