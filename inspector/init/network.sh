# shellcheck shell=sh
# Brings the network up: beskar7.ip, else DHCP on the NIC that booted, else DHCP on all at once.

NET=${NET:-/sys/class/net}

# Names of the NICs that are hardware.
nics() {
  for folder in "$NET"/*; do
    [ ! -e "$folder/device" ] || printf '%s\n' "${folder##*/}"
  done
}

# The NIC with a MAC address, which may still be coming up.
nic_with_mac() {
  for nic in $(nics); do
    [ "$(cat "$NET/$nic/address")" != "$1" ] || {
      printf '%s\n' "$nic"
      return 0
    }
  done
  return 1
}

# Tries until the time for the report is over.
network_up() {
  while :; do
    for nic in $(nics); do ip link set "$nic" up; done
    if [ -n "$STATIC_IP" ]; then
      network_static && return 0
    else
      network_dhcp && return 0
    fi
    [ "$(uptime_seconds)" -lt "$REPORT_SECONDS" ] || return 1
    say 'no network yet: it is tried again'
    sleep 2
  done
}

network_dhcp() {
  if [ -n "$BOOT_MAC" ] && nic=$(nic_with_mac "$BOOT_MAC"); then
    say "asks for an address on $nic, from which the server booted"
    if dhcp "$nic"; then
      say_addresses "$nic"
      return 0
    fi
  fi
  dhcp_on_all
}

# udhcpc goes on in the background once it has a lease, and renews it.
dhcp() {
  udhcpc -i "$1" -n -t "${DHCP_TRIES:-8}" -T 1 -s "$LIBRARY/udhcpc" -p "$RUN/udhcpc.$1" -x "hostname:$HOST" >/dev/null 2>&1
}

dhcp_on_all() {
  all=$(nics | tr '\n' ' ')
  [ -n "$all" ] || {
    say 'there is no NIC with a driver'
    return 1
  }
  say "asks for an address on $all"
  rm -f "$RUN"/lease.* "$RUN"/ended.*
  mkdir -p "$RUN"
  jobs_of_dhcp=
  for nic in $all; do
    (
      dhcp "$nic" && : >"$RUN/lease.$nic"
      : >"$RUN/ended.$nic"
    ) &
    jobs_of_dhcp="$jobs_of_dhcp $!"
  done
  for _ in $(seq 1 100); do
    for nic in $all; do
      [ -e "$RUN/lease.$nic" ] || continue
      say_addresses "$nic"
      return 0
    done
    ! dhcp_ended "$all" || break
    sleep 0.1
  done
  for job in $jobs_of_dhcp; do wait "$job"; done
  for nic in $all; do
    if [ -e "$RUN/lease.$nic" ] || has_ipv6 "$nic"; then
      say_addresses "$nic"
      return 0
    fi
  done
  return 1
}

dhcp_ended() {
  for nic in $1; do [ -e "$RUN/ended.$nic" ] || return 1; done
}

# Where routers announce a prefix, Linux has made itself an address.
has_ipv6() {
  ip -6 -o addr show dev "$1" scope global 2>/dev/null | grep -q inet6
}

# beskar7.ip=<address>/<prefix>[,<gateway>[,<DNS server>]], IPv4 or IPv6, on the NIC that booted, else on the first with a link.
network_static() {
  address=${STATIC_IP%%,*}
  rest=${STATIC_IP#"$address"}
  rest=${rest#,}
  gateway=${rest%%,*}
  dns=${rest#"$gateway"}
  dns=${dns#,}
  nic=$(static_nic) || {
    say 'no NIC has a link'
    return 1
  }
  ip addr replace "$address" dev "$nic" || return 1
  [ -z "$gateway" ] || ip route replace default via "$gateway" dev "$nic" || return 1
  [ -z "$dns" ] || printf 'nameserver %s\n' "$dns" >"${RESOLV_CONF:-/etc/resolv.conf}"
  say_addresses "$nic"
}

static_nic() {
  if [ -n "$BOOT_MAC" ] && nic_with_mac "$BOOT_MAC"; then return 0; fi
  for nic in $(nics); do
    [ "$(cat "$NET/$nic/carrier" 2>/dev/null)" != 1 ] || {
      printf '%s\n' "$nic"
      return 0
    }
  done
  return 1
}

say_addresses() {
  say "$1: $(ip -o addr show dev "$1" scope global | awk '{ printf "%s%s", (NR > 1 ? ", " : ""), $4 }')"
}
