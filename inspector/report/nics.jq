include "text";

# What ethtool said, by NIC: after a line "== eth0" stands the text of `ethtool -i`, `ethtool -P` and `ethtool`.
def sections: split("\n== ") | map(ltrimstr("== ") | capture("^(?<name>[^\\n]+)\\n(?<body>(.|\\n)*)$")? // empty);

# The NICs that are hardware: those that ethtool was asked about.
def nics(ip; ethtool):
  ([ip[]? | objects | {key: (.ifname | strings), value: .}] | from_entries) as $links
  | ethtool | sections[0:256]
  | map(
      .name as $name
      | ($links[$name] // {}) as $link
      | (.body | split("\n") | pairs("^\\s*(?<key>[A-Za-z][^:]*): *(?<value>.*)$")) as $said
      | (($said["Permanent address"] | known | if . != null and test("^([0-9a-f]{2}:)+[0-9a-f]{2}$"; "i") and (test("^[0:]+$") | not) then . else null end) // $link.permaddr // $link.address) as $mac
      | ($said.Speed | whole) as $speed
      | {
          interface: ($name | clean),
          macAddress: ($mac | clean | if . != null and test("^[0-9a-f]{2}(:[0-9a-f]{2})+$"; "i") and ((length + 1) / 3 | . == 6 or . == 8 or . == 20) then . else null end),
          linkStatus: (if $said["Link detected"] == "yes" or ([$link.flags[]?] | index("LOWER_UP")) != null then "up" else "down" end),
          # Linux says 4294967295 (-1) while there is no link.
          speedMbps: (if $speed != null and $speed > 0 and $speed < 100000000 then $speed else null end),
          driver: ($said.driver | known),
          ipAddresses: ([$link.addr_info[]? | objects | select(.scope == "global") | .local | strings][0:64])
        }
      | filled
    );
