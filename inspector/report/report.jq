# The hardware report (contract, form 1) out of what the tools said; `collect.sh` calls it, one variable per tool.
include "text";
include "cpus";
include "memory";
include "disks";
include "nics";
include "system";
include "pci";

# A part that cannot be made of what its tool said is made without, and said: it costs that part, not the report.
def part(name; made; otherwise): try made catch (("\(name): \(.)\n" | stderr) as $said | otherwise);

part("dmidecode"; $dmidecode | structures; []) as $dmi
| part("lspci"; $lspci | devices; []) as $pci
| {
    version: "1",
    timestamp: $timestamp,
    cpus: part("lscpu"; cpus($lscpu[0] // {}; $dmi); cpus({}; [])),
    memory: part("memory"; memory($dmi; $meminfo); memory([]; $meminfo)),
    disks: part("lsblk"; disks($lsblk[0] // {}; $smart; wwids_of($wwids)); []),
    nics: part("nics"; nics($ip[0] // []; $ethtool); []),
    system: part("system"; system($dmi; $lan); {}),
    bootMode: $bootmode,
    accelerators: part("accelerators"; $pci | accelerators; []),
    storageControllers: part("storageControllers"; $pci | storage_controllers; [])
  }
| with_entries(select(.key == "disks" or (.value != null and .value != [] and .value != {})))
