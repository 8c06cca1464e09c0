// Leaks of libraries that LeakSanitizer is to pass over; without it nobody calls this.
extern "C" const char* __lsan_default_suppressions();

extern "C" const char* __lsan_default_suppressions() {
  // libsndfile 1.2 does not free libvorbis' info, 5.8 kB, of an Ogg file whose headers are damaged.
  // By the library's name, which is known without a symbolizer.
  return "leak:libvorbis.so\n";
}
