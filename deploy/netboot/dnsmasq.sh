#!/bin/sh
# DHCP (whole, or beside a DHCP server that is there already) and TFTP for servers that boot into Beskar7: firmware gets iPXE by TFTP, iPXE gets one
# fixed URL, and Beskar7 knows the server by its MAC address (flag --boot-by-mac).
#
#   BOOT_URL    where servers reach Beskar7's boot listener: http://10.0.0.5:8083
#   INTERFACE   the network interface to the servers
#   MODE        proxy: another server hands out addresses (any router; nothing is changed there). full: this one does
#   NETWORK     proxy: the network's address, 10.0.0.0. full: first and last address and how long: 10.0.0.100,10.0.0.200,1h
#   ROUTER      full: the router that servers are told; none when empty
#   IPXE_URL    full: where firmware with UEFI HTTP boot (spec.networkBoot: HTTP) finds iPXE; default BOOT_URL/images/ipxe/snponly.efi
#   TFTP_ROOT   folder with undionly.kpxe and snponly.efi (Debian: package ipxe); default /usr/lib/ipxe
#
# `dnsmasq.sh --print` shows the configuration and does nothing.
set -eu

: "${BOOT_URL:?is missing: where servers reach the boot listener of Beskar7, e.g. http://10.0.0.5:8083}"
: "${INTERFACE:?is missing: the network interface to the servers}"
: "${NETWORK:?is missing: 10.0.0.0 for MODE=proxy, 10.0.0.100,10.0.0.200,1h for MODE=full}"
MODE="${MODE:-proxy}"
ROUTER="${ROUTER:-}"
TFTP_ROOT="${TFTP_ROOT:-/usr/lib/ipxe}"
IPXE_URL="${IPXE_URL:-${BOOT_URL%/}/images/ipxe/snponly.efi}"
SCRIPT="${BOOT_URL%/}/api/v1/boot?mac=\${netX/mac}"

common() {
  cat <<CONFIG
# No name service.
port=0
interface=$INTERFACE
bind-interfaces
log-dhcp
enable-tftp
tftp-root=$TFTP_ROOT
# iPXE says so in option 175 and in its user class.
dhcp-match=set:ipxe,175
dhcp-userclass=set:ipxe,iPXE
CONFIG
}

full() {
  cat <<CONFIG
dhcp-range=$NETWORK
dhcp-authoritative
${ROUTER:+dhcp-option=option:router,$ROUTER}
# Processor and firmware (RFC 4578, option 93): 0 is BIOS, 7 and 9 are UEFI on x86-64, 11 is UEFI on arm64.
dhcp-match=set:bios,option:client-arch,0
dhcp-match=set:uefi,option:client-arch,7
dhcp-match=set:uefi,option:client-arch,9
# UEFI HTTP boot: firmware says HTTPClient in option 60, and takes a URL from a server that says so, too (UEFI 2.10, 24.7).
dhcp-vendorclass=set:http,HTTPClient
dhcp-option-force=tag:http,60,HTTPClient
dhcp-boot=tag:!ipxe,tag:http,$IPXE_URL
dhcp-boot=tag:!ipxe,tag:bios,undionly.kpxe
dhcp-boot=tag:!ipxe,tag:uefi,snponly.efi
dhcp-boot=tag:ipxe,$SCRIPT
CONFIG
}

proxy() {
  cat <<CONFIG
dhcp-range=$NETWORK,proxy
pxe-service=tag:!ipxe,x86PC,"iPXE for Beskar7",undionly.kpxe
pxe-service=tag:!ipxe,x86-64_EFI,"iPXE for Beskar7",snponly.efi
pxe-service=tag:!ipxe,BC_EFI,"iPXE for Beskar7",snponly.efi
dhcp-boot=tag:ipxe,$SCRIPT
CONFIG
}

case "$MODE" in
  full | proxy) ;;
  *)
    echo "dnsmasq.sh: MODE is \"$MODE\"; give full or proxy" >&2
    exit 2
    ;;
esac
configuration="$(common; "$MODE")"
if [ "${1:-}" = --print ]; then
  printf '%s\n' "$configuration"
  exit 0
fi
for file in undionly.kpxe snponly.efi; do
  [ -r "$TFTP_ROOT/$file" ] || {
    echo "dnsmasq.sh: $TFTP_ROOT/$file is missing: install the package ipxe, or set TFTP_ROOT" >&2
    exit 2
  }
done
exec dnsmasq --no-daemon --conf-file=- "$@" <<CONFIG
$configuration
CONFIG
