# Sourced by device_tests and device_benchmarks: where things are, and the record of what ran.
bundle=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
program=$(basename "$0")

say() { printf '%s %d:%02d: %s\n' "$program" $((SECONDS / 60)) $((SECONDS % 60)) "$*"; }
wrong() {
  printf '%s: %s; see %s --help\n' "$program" "$1" "$program" >&2
  exit 2
}

# Folders that may hold libraries of CUDA, one a line: the toolkit's, and those of Python's nvidia-*
# packages.
cuda_folders() {
  local python
  printf '%s\n' /usr/local/cuda/lib64 /usr/local/nvidia/lib64
  for python in python3 python; do
    "$python" -c '
import glob, sys
for root in sys.path:
    for folder in sorted(glob.glob(glob.escape(root) + "/nvidia/*/lib")):
        print(folder)' 2>/dev/null && return
  done
}

# Puts them behind what LD_LIBRARY_PATH has.
find_cuda() {
  local folder
  while read -r folder; do
    compgen -G "$folder/lib*.so*" >/dev/null || continue
    LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder
  done < <(cuda_folders)
  export LD_LIBRARY_PATH
}

# Sets $device to what the GPU is; fails and sets $why_not to one clause where there is none.
find_device() {
  local said
  find_cuda
  if said=$("$bundle/tests/plugin_probe" cuda 2>&1); then
    device=$(grep -o 'cuda:[0-9]*: .*' <<<"$said" | head -n 1)
    return 0
  fi
  why_not=$(tail -n 1 <<<"$said" | sed 's/^--device cuda: //; s/; use --device cpu$//')
  return 1
}

# "..." as JSON.
json_text() {
  local text=${1//\\/\\\\}
  text=${text//\"/\\\"}
  printf '"%s"' "${text//[[:cntrl:]]/ }"
}

# The card's clocks, driver and temperature, as nvidia-smi prints them.
card_state() {
  nvidia-smi --format=csv,noheader --query-gpu=name,driver_version,clocks.sm,clocks.mem,clocks.max.sm,clocks.max.mem,temperature.gpu,power.draw,memory.used 2>/dev/null |
    head -n 1
}

# open_results NAME MINUTES: from here on `run` fills $out/NAME.json and $out/NAME.log. Ends the
# program where there is no GPU.
open_results() {
  record=$1 end=$((60 * $2)) results=() failed=0 device=''
  mkdir -p "$out" || exit 1
  out=$(cd "$out" && pwd -P)
  : >"$out/$record.log" || exit 1
  if find_device; then
    card=$(card_state)
    say "$device"
    return
  fi
  printf '%s: no GPU to run on: %s\n' "$program" "$why_not" >&2
  card='' failed=1
  results+=("{\"part\": \"all\", \"status\": \"skipped\", \"seconds\": 0, \"reason\": $(json_text "no GPU to run on: $why_not")}")
  close_results
}

# note PART passed|failed|skipped SECONDS [REASON]
note() {
  local reason=null
  [[ -z ${4:-} ]] || reason=$(json_text "$4")
  [[ $2 != failed ]] || failed=1
  results+=("{\"part\": \"$1\", \"status\": \"$2\", \"seconds\": $3, \"reason\": $reason}")
  say "$1: $2${4:+ ($4)}"
}

# run PART CHECK COMMAND...: COMMAND within the time that is left; where it exits with 0, `CHECK PART`
# may still set $why_not.
run() {
  local part=$1 check=$2 begin=$SECONDS status=0
  shift 2
  if [[ $((end - SECONDS)) -le 0 ]]; then
    note "$part" failed 0 "no time was left"
    return
  fi
  why_not=''
  timeout $((end - SECONDS)) "$@" >"$out/part.log" 2>&1 || status=$?
  if [[ $status -eq 124 ]]; then
    why_not="it ran out of time"
  elif [[ $status -ne 0 ]]; then
    why_not="exit status $status"
    grep -E '^\[  FAILED  \]|Failure$|^========= |rror' "$out/part.log" | head -n 20
  else
    "$check" "$part"
  fi
  { printf '==== %s: %s\n' "$part" "$*"; cat "$out/part.log"; } >>"$out/$record.log"
  rm -f "$out/part.log"
  local verdict=passed
  [[ -z $why_not ]] || verdict=failed
  note "$part" "$verdict" $((SECONDS - begin)) "$why_not"
}

# Writes the record and exits.
close_results() {
  local verdict=passed separator='' result
  [[ $failed -eq 0 ]] || verdict=failed
  [[ -n $device ]] || verdict=skipped
  {
    printf '{\n  "status": "%s",\n  "device": %s,\n' "$verdict" "$(json_text "$device")"
    printf '  "card_before": %s,\n  "card_after": %s,\n' "$(json_text "$card")" \
      "$(json_text "$(card_state)")"
    printf '  "build": %s,\n  "parts": [' "$(cat "$bundle/build.json")"
    for result in "${results[@]}"; do
      printf '%s\n    %s' "$separator" "$result"
      separator=,
    done
    printf '\n  ]\n}\n'
  } >"$out/$record.json"
  exit "$failed"
}
