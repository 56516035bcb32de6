include "text";

# The whole disks of `lsblk -J -b`: no partitions, CD drives, RAM disks, or empty card readers.
def whole_disks: [.blockdevices[]? | select(.type == "disk" and ((.size | whole) // 0) > 0 and (.name | test("^(zram|ram|loop|fd|nbd|sr|md|dm-)[0-9]*|^mmcblk[0-9]+(boot|rpmb)") | not))];

# Paths to one disk are one disk: by its world-wide name, or by the map that multipathd made of them.
def one_path_each(wwids):
  map(. + {identity: (wwids[.name] // .wwn // ([.children[]? | select(.type == "mpath") | .name] | first) // .name)})
  | group_by(.identity) | map(sort_by(.name | length, .) | first) | sort_by((.name | length), .name);

# Lines "sda naa.5000..." as an object. Some firmware gives the same made-up name, or spaces, to every disk.
def wwids_of(lines):
  (lines | split("\n") | map(capture("^(?<key>[^ ]+) +(?<value>.*[^ ].*)$")? // empty | .value |= gsub(" +"; " ")))
  | map(select(.value | test("^((t10|eui|naa|uuid)\\.)?0*$|QEMU|VBOX|VMware"; "i") | not)) | from_entries;

def is_removable: .rm == true or .rm == "1" or .tran == "usb" or (.tran == null and ((.subsystems // "") | test("usb")));
def is_read_only: .ro == true or .ro == "1";

def type_of: if (.name | startswith("nvme")) or .tran == "nvme" then "NVMe" elif .rota == true or .rota == "1" then "HDD" else "SSD" end;

# `smart` is the list of what `smartctl -i -j` said, where it said something.
def disks(lsblk; smart; wwids):
  (reduce (smart[] | select(type == "object" and .device.name != null)) as $one ({}; .[$one.device.name] = $one)) as $by
  | lsblk | whole_disks | one_path_each(wwids)[0:512]
  | map(
      ($by[.path // "/dev/\(.name)"] // {}) as $smart
      | {
          device: "/dev/\(.name)",
          sizeBytes: (.size | whole),
          sizeGB: (.size | whole / 1e9 | round),
          type: type_of,
          model: (($smart.model_name | known) // ($smart.scsi_model_name | known) // (([.vendor, .model] | map(select(. != null and (test("^0x") | not)) | known // empty) | join(" ")) | known)),
          serial: (($smart.serial_number | known) // (.serial | known)),
          removable: (if is_removable then true else null end),
          readOnly: (if is_read_only then true else null end)
        }
      | filled
    );
