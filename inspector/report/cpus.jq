include "text";

# The rows of `lscpu -J`, flat or nested, by name.
def rows: [.. | objects | select(has("field")) | {key: (.field | rtrimstr(":")), value: .data}] | from_entries;

# `cores` and `threads` are totals of all packages; what lscpu does not know comes from the processors of dmidecode.
def cpus(lscpu; dmi):
  (lscpu | rows) as $row
  | (dmi | of_type(4) | map(select(((.Status // "Populated") | test("Unpopulated") | not)))) as $sockets
  | (($row["Socket(s)"] | whole) // ($sockets | length) | if . < 1 then 1 else . end) as $count
  | (($row["CPU(s)"] | whole) // ($sockets | map(.["Thread Count"] | whole // 0) | add) // $count | if . < 1 then 1 else . end) as $threads
  | (($row["Core(s) per socket"] | whole) as $each | if $each != null then $each * $count else null end) as $listed
  | ($listed // ($sockets | map(.["Core Count"] | whole // 0) | add) // $threads) as $cores
  | {
      # A hypervisor may say that it has more sockets than CPUs.
      count: ([$count, $threads] | min),
      cores: ([([$cores, $threads] | min), ([$count, $threads] | min)] | max),
      threads: $threads,
      model: (($row["Model name"] | known) // ($sockets[0].Version | known) // ($row["BIOS Model name"] | known)),
      architecture: ($row.Architecture | clean),
      mhz: (($row["CPU max MHz"] | whole) // ($row["CPU MHz"] | whole) // ($sockets[0]["Current Speed"] | whole) // ($sockets[0]["Max Speed"] | whole) | if . == 0 then null else . end)
    }
  | filled;
