# shellcheck shell=sh
# Kexec: the target is a tar.gz with a kernel, an initrd, and perhaps `cmdline`.

deploy_kexec() {
  resolve_digest || return 1
  say "fetches the target image from $(shown "$TARGET")"
  stream "$TARGET" unpack_target || return 1
  check_digest || return 1
  choose_kernel || return 1
  say "uses the kernel ${kernel#"$RUN/target/"} with ${initrd#"$RUN/target/"}"
  prepare_handover || return 1
  append_handover "$initrd" || {
    PROBLEM='TargetUnusable: the initrd could not be completed (is there memory enough?)'
    return 1
  }
  load_kernel "$kernel" "$initrd"
}

unpack_target() {
  rm -rf "$RUN/target"
  mkdir -p "$RUN/target"
  tar -x -z -f - -C "$RUN/target"
}

# files_like <pattern...>: the plain files whose names fit, sorted, each once. Paths with white space fit nothing.
files_like() {
  for pattern in "$@"; do
    find "$RUN/target" -type f -name "$pattern" ! -path '*[[:space:]]*'
  done | sort -u
}

# Fills `kernel` and `initrd`: those that belong together. Of several pairs that without a version (what a system boots by default), else the newest;
# one for rescue, or kept from before, only where there is nothing else.
choose_kernel() {
  kernels=$(files_like 'vmlinuz*' 'kernel*' | grep -Ev '/[^/]*\.(sig|sign|asc|hmac|sha256|txt|conf|config)$')
  initrds=$(files_like 'initrd*' 'initramfs*')
  [ -n "$kernels" ] || {
    PROBLEM='TargetUnusable: the target image has no kernel (vmlinuz* or kernel*)'
    return 1
  }
  [ -n "$initrds" ] || {
    PROBLEM='TargetUnusable: the target image has no initrd (initrd*)'
    return 1
  }
  for candidate in $kernels; do
    own=$(own_initrd "$candidate") || continue
    printf '%s %s %s %s\n' "$(rank_of "$candidate")" "$(version_of "$candidate")" "$candidate" "$own"
  done >"$RUN/pairs"
  pair=$(sort -V "$RUN/pairs" | tail -n 1)
  if [ -n "$pair" ]; then
    kernel=$(printf '%s' "$pair" | cut -d ' ' -f 3)
    initrd=$(printf '%s' "$pair" | cut -d ' ' -f 4)
    return 0
  fi
  # One of each: they belong together, whatever they are called.
  if [ "$(printf '%s\n' "$kernels" | wc -l)" = 1 ] && [ "$(printf '%s\n' "$initrds" | wc -l)" = 1 ]; then
    kernel=$kernels
    initrd=$initrds
    return 0
  fi
  PROBLEM='TargetUnusable: of several kernels and initrds of the target image none belong together by their names'
  return 1
}

# version_of <file>: what stands behind vmlinuz-, initrd.img- and the like; "-" for a name without a version. Suffixes of initrds are no version.
version_of() {
  version=${1##*/}
  version=$(printf '%s' "$version" | sed -E -e 's/^(vmlinuz|kernel|initramfs|initrd)(-linux)?//' -e 's/^\.img//' -e 's/(\.(img|gz|xz|zst|lz4|cpio))+$//' -e 's/^[-._]+//')
  printf '%s' "${version:--}"
}

# The higher, the rather it is meant.
rank_of() {
  case $1 in
    *rescue* | *kdump* | *fallback* | *.old | *.bak | *.dpkg-*) echo 0 ;;
    *) if [ "$(version_of "$1")" = - ]; then echo 2; else echo 1; fi ;;
  esac
}

# own_initrd <kernel>: the initrd of the same version, first one in the same folder.
own_initrd() {
  wanted=$(version_of "$1")
  found=
  for other in $initrds; do
    [ "$(version_of "$other")" = "$wanted" ] || continue
    [ -n "$found" ] && [ "${other%/*}" != "${1%/*}" ] || found=$other
  done
  [ -n "$found" ] && printf '%s' "$found"
}

# The kernel reads several archives one after the other; each begins at a multiple of 4 bytes, and after one in lz4 only 4 zeros say that it
# has ended (lib/decompress_unlz4.c).
append_handover() {
  size=$(wc -c <"$1")
  dd if=/dev/zero bs=1 count=$((8 - size % 4)) 2>/dev/null >>"$1"
  rm -rf "$RUN/appended"
  mkdir -p "$RUN/appended"
  mv "$RUN/handover" "$RUN/appended/beskar7" &&
    (cd "$RUN/appended" && find beskar7 | sort | cpio -o -H newc 2>/dev/null) >>"$1"
}

# Its own command line, and our consoles where it names none.
target_cmdline() {
  file=$(files_like cmdline | head -n 1)
  own=
  [ -z "$file" ] || own=$(tr '\n' ' ' <"$file")
  case " $own" in *" console="*) printf '%s' "$own" && return ;; esac
  printf '%s ' "$own"
  if [ -n "$CONSOLES" ]; then
    printf '%s' "$CONSOLES"
  else
    printf 'console=tty0'
    for line in $SERIAL_LINES; do printf ' console=%s,115200' "${line#/dev/}"; done
  fi
}

load_kernel() {
  say 'loads the kernel of the target image'
  kexec -l -a "$1" --initrd="$2" --command-line="$(target_cmdline)" >"$RUN/error" 2>&1 && return 0
  say_lines "$RUN/error" 5
  PROBLEM='KexecFailed: the kernel of the target image could not be loaded'
  return 1
}

start_kexec() {
  say 'starts the final OS'
  sync
  kexec -e
}
