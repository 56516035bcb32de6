# The disk that WholeDisk is written to: {disk, name, fitting} or {problem}. Reads `lsblk -J -b`; $wanted is beskar7.disk or empty, $image and
# $minimum are bytes.
include "text";
include "disks";

def refusal: if is_external then "is on USB" elif is_read_only then "is read-only" elif (.size | whole) < ([$image, $minimum] | max) then "is too small" else null end;
def shown: "/dev/\(.name)";
def chosen($fitting): {disk: shown, sizeBytes: (.size | whole), fitting: $fitting};

wwids_of($wwids) as $names
| serials_of($smart) as $serials
| whole_disks as $all
| if $wanted != "" then
    ($all | map(select($wanted == .name or $wanted == shown))) as $named
    # A path to a disk that was named stays that path; a serial number or a world-wide name is that of a disk, whatever its paths.
    | (if ($named | length) > 0 then $named else
        $all | map(. as $disk | select(([.serial, $serials[shown]] | map(clean) | index($wanted)) != null or ([.wwn, $names[.name]] | index($wanted)) != null))
        | one_path_each($names; $serials)
      end) as $found
    | if ($found | length) == 0 then {problem: "beskar7.disk is not there"}
      elif ($found | length) > 1 then
        {problem: "beskar7.disk fits \($found | length) disks (\($found[0:4] | map(shown) | join(", "))): name one by its path or world-wide name"}
      else ($found[0] | refusal) as $why | if $why == null then $found[0] | chosen(1) else {problem: "beskar7.disk \($why)"} end
      end
  else
    ($all | one_path_each($names; $serials) | map(select(refusal == null)) | sort_by((.size | whole), (.name | length), .name)) as $fitting
    | if ($fitting | length) == 0 then {problem: "no disk fits"} else $fitting[0] | chosen($fitting | length) end
  end
