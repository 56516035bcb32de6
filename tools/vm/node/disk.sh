#!/bin/sh
# Makes the disk image of a Debian node, the way those who publish images for cloud-init do: one root file system that grows at the first boot, GRUB for
# BIOS and UEFI, cloud-init as Debian ships it, a container runtime, and the kubelet and kubeadm with the units of their own packages. Nothing in it knows Beskar7.
# disk.sh <folder with the locked .deb files and their Packages> <names, with commas> <kubelet> <kubeadm> <files to copy over /> <image.zst>
# Needs root, mmdebstrap, mkfs.ext4, mkfs.fat, mtools, sfdisk and zstd. What it says goes to standard error.
set -eu
packages=$1 names=$2 kubelet=$3 kubeadm=$4 files=$5 image=$6
exec >&2
work=$(mktemp -d)
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' INT TERM
root=$work/root
disk=$work/disk.raw

# In sectors of 512 bytes.
BIOS_START=2048
ESP_START=4096
ESP_SECTORS=65536
ROOT_START=$((ESP_START + ESP_SECTORS))
# What the root file system has beyond its files, until it grows.
SPARE_MIB=256

step() { echo "node image: $*, $(($(date +%s) - began)) s"; }
began=$(date +%s)

# Documentation and translations are left out, as minimal images do. Nothing has to be on the disk before the end.
mmdebstrap --quiet --mode=root --variant=apt --format=directory --include="$names" \
  --dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  bookworm "$root" "deb [trusted=yes] copy:$packages ./"
step 'packages installed'

cp -R "$files"/. "$root"
install -m 755 "$kubelet" "$root/usr/bin/kubelet"
install -m 755 "$kubeadm" "$root/usr/bin/kubeadm"
chroot "$root" systemctl --quiet enable systemd-networkd kubelet
: >"$root/etc/machine-id"
rm -rf "$root/etc/hostname" "$root/var/cache/apt"/*.bin "$root/var/lib/apt/lists"/* "$root/etc/apt/sources.list.d"/*
echo 'deb http://deb.debian.org/debian bookworm main' >"$root/etc/apt/sources.list"
echo 'LABEL=debian / ext4 errors=remount-ro 0 1' >"$root/etc/fstab"

# GRUB finds the root file system by its label; the rest of its configuration lies there, as grub-install leaves it.
kernel=$(basename "$root"/boot/vmlinuz-*)
mkdir -p "$root/boot/grub"
cat >"$root/boot/grub/grub.cfg" <<EOF
serial --unit=0 --speed=115200
terminal_output console serial
linux /boot/$kernel root=LABEL=debian ro console=tty0 console=ttyS0,115200
initrd /boot/initrd.img-${kernel#vmlinuz-}
boot
EOF
cat >"$root/early.cfg" <<'EOF'
search --no-floppy --label debian --set=root
set prefix=($root)/boot/grub
configfile ($root)/boot/grub/grub.cfg
EOF
modules='part_gpt ext2 search search_label normal configfile linux gzio serial terminal boot echo'
# shellcheck disable=SC2086 # Words.
chroot "$root" grub-mkimage -O i386-pc -o /core.img -p /boot/grub -c /early.cfg biosdisk $modules
# shellcheck disable=SC2086
chroot "$root" grub-mkimage -O x86_64-efi -o /grub.efi -p /boot/grub -c /early.cfg fat $modules
mv "$root/core.img" "$root/grub.efi" "$work"
rm "$root/early.cfg"
cp "$root/usr/lib/grub/i386-pc/boot.img" "$work"

root_mib=$(($(du -sm --apparent-size "$root" | cut -f 1) * 11 / 10 + SPARE_MIB))
truncate -s $((ROOT_START * 512 + (root_mib + 1) * 1048576)) "$disk"
sfdisk -q "$disk" <<EOF
label: gpt
start=$BIOS_START, size=$((ESP_START - BIOS_START)), type=21686148-6449-6E6F-744E-656564454649
start=$ESP_START, size=$ESP_SECTORS, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B
start=$ROOT_START, size=$((root_mib * 2048)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709
EOF
mkfs.ext4 -q -F -L debian -m 1 -E "offset=$((ROOT_START * 512))" -d "$root" "$disk" "${root_mib}M"
step 'root file system made'

mkfs.fat -n ESP -C "$work/esp.img" $((ESP_SECTORS / 2)) >/dev/null
mmd -i "$work/esp.img" ::/EFI ::/EFI/BOOT
mcopy -i "$work/esp.img" "$work/grub.efi" ::/EFI/BOOT/BOOTX64.EFI
dd if="$work/esp.img" of="$disk" seek="$ESP_START" conv=notrunc status=none

# What grub-bios-setup does: boot.img without the partition table, with where core.img begins (0x5c) and without its test for floppies (0x66);
# core.img's first sector with where its second one is (0x1f4).
# shellcheck disable=SC2059 # The format is what is meant: eight bytes in octal.
le64() {
  printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))\\0\\0\\0\\0"
}
le64 "$BIOS_START" | dd of="$work/boot.img" bs=1 seek=$((0x5c)) conv=notrunc status=none
printf '\220\220' | dd of="$work/boot.img" bs=1 seek=$((0x66)) conv=notrunc status=none
le64 $((BIOS_START + 1)) | dd of="$work/core.img" bs=1 seek=$((0x1f4)) conv=notrunc status=none
dd if="$work/boot.img" of="$disk" bs=440 count=1 conv=notrunc status=none
dd if="$work/core.img" of="$disk" seek="$BIOS_START" conv=notrunc status=none

zstd -q -3 -T0 -f "$disk" -o "$image"
step "image packed, $(($(stat -c %s "$image") / 1000000)) MB of $(($(stat -c %s "$disk") / 1000000)) MB"
