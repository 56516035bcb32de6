include "text";

# The rows of `lscpu -J`, flat or nested, in their order.
def rows: [.. | objects | select((.field | type) == "string") | {key: (.field | rtrimstr(":")), value: .data}];

def per_group: . == "Core(s) per socket" or . == "Core(s) per cluster";

# One object for each kind of core: lscpu says model and topology once per kind. Old versions say the topology before the model.
def kinds($rows):
  reduce $rows[] as $row ([{}];
    .[-1] as $last
    | if $row.key == "Model name" or (($row.key | per_group) and ($last | has($row.key))) then . + [{}] else . end
    | .[-1] += {($row.key): $row.value})
  | if length > 1 and any(.[1:][]; any(keys[]; per_group)) then .[1:] else [add] end
  | map({
      # Boards without sockets in their tables (arm64) have clusters.
      each: ((.["Core(s) per socket"] | whole) // (.["Core(s) per cluster"] | whole)),
      groups: ((.["Socket(s)"] | whole) // (.["Cluster(s)"] | whole) // 1),
      sockets: (.["Socket(s)"] | whole),
      model: .["Model name"]
    });

# The value of the first row of a name.
def first_of($rows; $key): $rows | map(select(.key == $key) | .value) | first;

# `cores` and `threads` are totals of all packages; what lscpu does not know comes from the processors of dmidecode.
def cpus(lscpu; dmi):
  (lscpu | rows) as $rows
  | kinds($rows) as $kinds
  | (dmi | of_type(4) | map(select(((.Status // "Populated") | test("Unpopulated") | not)))) as $processors
  | ($processors | map(.["Core Count"] | whole // 0) | add) as $dmi_cores
  | ($processors | map(.["Thread Count"] | whole // 0) | add) as $dmi_threads
  # Kinds of cores share a socket, or have one each, which the tables of the firmware tell.
  | ($kinds | map(.sockets | values) | if length > 1 and ($processors | length) > max and ($processors | length) <= add then $processors | length else max end) as $sockets
  # A kernel without the tables of the topology takes each core for a socket.
  | ($sockets != null and ($processors | length) > 0 and $sockets > ($processors | length)) as $is_guess
  | ((if $is_guess then null else $sockets end) // ($processors | length) | if . < 1 then 1 else . end) as $count
  | ((first_of($rows; "CPU(s)") | whole) // $dmi_threads // $count | if . < 1 then 1 else . end) as $threads
  | ($kinds | map(select(.each != null) | .each * .groups) | add) as $listed
  | ((if $is_guess and $dmi_threads == $threads and $dmi_cores > 0 then $dmi_cores else $listed end) // $dmi_cores // $threads) as $cores
  | {
      # A hypervisor may say that it has more sockets than CPUs.
      count: ([$count, $threads] | min),
      cores: ([([$cores, $threads] | min), ([$count, $threads] | min)] | max),
      threads: $threads,
      model: (([$kinds[].model | known | values] | unique | if . == [] then null else join(", ") | clean end) // ($processors[0].Version | known) // (first_of($rows; "BIOS Model name") | known)),
      architecture: (first_of($rows; "Architecture") | clean),
      mhz: ((first_of($rows; "CPU max MHz") | whole) // (first_of($rows; "CPU MHz") | whole) // ($processors[0]["Current Speed"] | whole) // ($processors[0]["Max Speed"] | whole) | if . == 0 then null else . end)
    }
  | filled;
