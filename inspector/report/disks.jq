include "text";

# The whole disks of `lsblk -J -b`: no partitions, CD drives, RAM disks, or drives without a medium (their size is 0).
# What is of another type than lsblk gives it counts as not told.
def whole_disks: [.blockdevices[]? | objects | select((.name | type) == "string" and .type == "disk" and ((.size | whole) // 0) > 0 and (.name | test("^(zram|ram|loop|fd|nbd|sr|md|dm-)[0-9]*|^mmcblk[0-9]+(boot|rpmb)") | not))];

# The number of a namespace: two namespaces of one NVMe drive are never two paths to one disk.
def namespace: .name | (capture("^nvme[0-9]+(c[0-9]+)?n(?<n>[0-9]+)$") | .n) // "";

def device_path: (.path | strings) // "/dev/\(.name)";

# Paths to one disk are one disk: by its world-wide name, or by the map that multipathd made of them. A name that disks of another size,
# another namespace or another serial number have, too, is made up: those stay apart. `$wwids` and `$serials` are by name of the device.
# (Arguments with `$` are worked out once; a filter as argument would be worked out again for every disk.)
def one_path_each($wwids; $serials):
  map(. as $disk | . + {
    identity: ($wwids[$disk.name] // $disk.wwn // ([$disk.children[]? | objects | select(.type == "mpath") | .name] | first) // $disk.name),
    unit: ((($disk.serial | known) // ($serials[$disk | device_path] | known)) // null)
  })
  | group_by([.identity, (.size | whole), namespace])
  | map(if ([.[].unit | values] | unique | length) > 1 then group_by(.unit)[] else . end)
  | map(sort_by((.name | length), .name) | first) | sort_by((.name | length), .name);

# Lines "sda naa.5000..." as an object. Some firmware gives the same made-up name, or spaces, to every disk.
def wwids_of($lines):
  ($lines | split("\n") | map(capture("^(?<key>[^ ]+) +(?<value>.*[^ ].*)$")? // empty | .value |= gsub(" +"; " ")))
  | map(select(.value | test("^((t10|eui|naa|uuid)\\.)?0*$|QEMU|VBOX|VMware"; "i") | not)) | from_entries;

# What smartctl said of the devices that it names.
def drives($smart): $smart[] | objects | select((.device | type) == "object" and (.device.name | type) == "string");

# Serial numbers that smartctl says, by path. lsblk knows that of a SCSI disk from udev alone, which is not in the image.
def serials_of($smart): [drives($smart) | {key: .device.name, value: (.serial_number | known)}] | from_entries;

# On a cable that people pull, or a medium of the BMC. Not by the flag RM alone: bays for hot swap set it for internal disks.
def is_external: .tran == "usb" or .tran == "ieee1394" or ((.subsystems | strings) // "" | test("(^|:)(usb|ieee1394|firewire)(:|$)"));
def is_read_only: .ro == true or .ro == "1";

def type_of: if (.name | startswith("nvme")) or .tran == "nvme" then "NVMe" elif .rota == true or .rota == "1" then "HDD" else "SSD" end;

# `$smart` is the list of what `smartctl -i -j` said, where it said something. `removable` is a disk that counts for no requirement.
def disks(lsblk; $smart; $wwids):
  (reduce drives($smart) as $one ({}; .[$one.device.name] = $one)) as $by
  | lsblk | whole_disks | one_path_each($wwids; serials_of($smart))[0:512]
  | map(
      ($by[device_path] // {}) as $smart
      | {
          device: "/dev/\(.name)",
          sizeBytes: (.size | whole),
          sizeGB: (.size | whole / 1e9 | round),
          type: type_of,
          model: (($smart.model_name | known) // ($smart.scsi_model_name | known) // (([.vendor, .model] | map(strings | select(test("^0x") | not) | known // empty) | join(" ")) | known)),
          serial: (($smart.serial_number | known) // (.serial | known)),
          removable: (if is_external then true else null end),
          readOnly: (if is_read_only then true else null end)
        }
      | filled
    );
