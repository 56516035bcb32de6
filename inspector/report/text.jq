# Reading what tools print for people.

# A text as the API takes it: printable, one line, at most 256 characters; null when nothing is left.
def clean:
  if type == "string"
  then gsub("[\\p{Cc}\\p{Cf}\\s]+"; " ") | gsub("^ +| +$"; "") | .[0:256] | if . == "" then null else . end
  else null end;

# What firmware writes into a field that nobody filled in.
def known:
  clean
  | if . == null then null
    elif test("^(to be filled by o\\.?e\\.?m\\.?|default string|not specified|not available|not applicable|none|unknown|null|n/a|system (manufacturer|product name|serial number|version)|o\\.?e\\.?m\\.?|chassis serial number|0123456789|0+|x+|\\.+|-+)$"; "i")
    then null else . end;

# A whole number out of a text such as "2" or "2666 MT/s"; null when it does not begin with one.
def whole: if type == "number" then floor elif type == "string" then (capture("^ *(?<n>[0-9]+)") | .n | tonumber) // null else null end;

# The lines that a pattern with the groups `key` and `value` fits, as an object.
def pairs(pattern): map(capture(pattern)? // empty) | from_entries;

# The structures of dmidecode: [{type, fields}]; lists below a key (Flags, Characteristics) are left out.
def structures:
  gsub("\r"; "") | split("\n\n")
  | map(
      split("\n")
      | (map(capture("^Handle 0x[0-9A-Fa-f]+, DMI type (?<type>[0-9]+),")? // empty) | first) as $head
      | select($head != null)
      | {type: ($head.type | tonumber), fields: pairs("^\t(?<key>[^\t:]+): (?<value>.*)$")}
    );

# The structures of one type.
def of_type(n): map(select(.type == n) | .fields);

# "32 GB", "32768 MB" or "2 TB" in bytes; null for an empty slot.
def bytes:
  if type != "string" then null else
    (capture("^ *(?<n>[0-9]+) *(?<unit>[kMGT]i?B|bytes)") // null)
    | if . == null then null else
        (.n | tonumber) * ({bytes: 1, kB: 1024, kiB: 1024, MB: 1048576, MiB: 1048576, GB: 1073741824, GiB: 1073741824, TB: 1099511627776, TiB: 1099511627776}[.unit])
      end
  end;

# An object without what is null or an empty list.
def filled: with_entries(select(.value != null and .value != [] and .value != {}));
