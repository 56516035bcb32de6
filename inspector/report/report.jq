# The hardware report (contract, form 1) out of what the tools said; `collect.sh` calls it, one variable per tool.
include "text";
include "cpus";
include "memory";
include "disks";
include "nics";
include "system";
include "pci";

($dmidecode | structures) as $dmi
| ($lspci | devices) as $pci
| {
    version: "1",
    timestamp: $timestamp,
    cpus: cpus($lscpu[0] // {}; $dmi),
    memory: memory($dmi; $meminfo),
    disks: disks($lsblk[0] // {}; $smart; wwids_of($wwids)),
    nics: nics($ip[0] // []; $ethtool),
    system: system($dmi; $lan),
    bootMode: $bootmode,
    accelerators: ($pci | accelerators),
    storageControllers: ($pci | storage_controllers)
  }
| with_entries(select(.key == "disks" or (.value != null and .value != [] and .value != {})))
