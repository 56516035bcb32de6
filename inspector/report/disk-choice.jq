# The disk that WholeDisk is written to: {disk} or {problem}. Reads `lsblk -J -b`; $wanted is beskar7.disk or empty, $image and $minimum are bytes.
include "text";
include "disks";

def refusal: if is_removable then "is removable" elif is_read_only then "is read-only" elif (.size | whole) < ([$image, $minimum] | max) then "is too small" else null end;

wwids_of($wwids) as $names
# lsblk knows the serial number of a SCSI disk from udev alone, which is not in the image.
| ([$smart[] | objects | select(.device.name != null) | {key: .device.name, value: (.serial_number | clean)}] | from_entries) as $serials
| whole_disks as $all
| if $wanted != "" then
    ($all | map(. as $disk | select($wanted == .name or $wanted == "/dev/\(.name)" or ([.serial, $serials["/dev/\(.name)"]] | map(clean) | index($wanted)) != null or ([.wwn, $names[.name]] | index($wanted)) != null))) as $found
    | if ($found | length) == 0 then {problem: "beskar7.disk is not there"}
      else ($found[0] | refusal) as $why | if $why == null then {disk: "/dev/\($found[0].name)"} else {problem: "beskar7.disk \($why)"} end
      end
  else
    ($all | one_path_each($names) | map(select(refusal == null)) | sort_by((.size | whole), (.name | length), .name) | first) as $best
    | if $best == null then {problem: "no disk fits"} else {disk: "/dev/\($best.name)"} end
  end
