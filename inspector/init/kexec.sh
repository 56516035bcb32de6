# shellcheck shell=sh
# Kexec: the target is a tar.gz with a kernel, an initrd, and perhaps `cmdline`.

deploy_kexec() {
  say "fetches the target image from $(shown "$TARGET")"
  stream "$TARGET" unpack_target || return 1
  check_digest || return 1
  kernel=$(first_file 'vmlinuz*' 'kernel*') || {
    PROBLEM='TargetUnusable: the target image has no kernel (vmlinuz* or kernel*)'
    return 1
  }
  initrd=$(first_file 'initrd*' 'initramfs*') || {
    PROBLEM='TargetUnusable: the target image has no initrd (initrd*)'
    return 1
  }
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

# The first plain file whose name fits one of the patterns, the patterns in their order.
first_file() {
  for pattern in "$@"; do
    found=$(find "$RUN/target" -type f -name "$pattern" | sort | head -n 1)
    [ -z "$found" ] || {
      printf '%s\n' "$found"
      return 0
    }
  done
  return 1
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
  file=$(first_file cmdline)
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
