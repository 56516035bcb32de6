# Where config drives go on a disk: {places: ["<MiB>:<first sector>,<sectors>"]}, from the end of the disk, or {problem}. Reads `sfdisk -J`;
# $bytes is the size of the disk, $each the MiB of a drive, $wanted how many would be good.
.partitiontable as $t
| ($t.sectorsize // 512) as $sector
| (1048576 / $sector) as $mib
| ([$t.partitions[]?]) as $partitions
# Behind the last sector that a partition may use. The old kind of table counts to 2^32.
| (if $t.label == "gpt" then $t.lastlba + 1 else ([$bytes / $sector, 4294967296] | min) end) as $limit
| ([$partitions[] | .start + .size] | max // $mib) as $used
| (if $t.label == "gpt" then 128 - ($partitions | length)
   else 4 - ([$partitions[] | .node | capture("(?<n>[0-9]+)$").n | tonumber | select(. <= 4)] | length) end) as $slots
| (($limit / $mib | floor) - (($used + $mib - 1) / $mib | floor)) as $free
| ([$wanted, $slots, ($free / $each | floor)] | min) as $count
| if $slots < 1 then {problem: "the partition table of the image has no free entry for a config drive"}
  elif $count < 1 then {problem: "the disk has \([$free, 0] | max) MiB behind the image, and a config drive needs \($each)"}
  else {places: [range($count) | ($limit / $mib | floor) - $each * (. + 1) | "\(.):\(. * $mib),\($each * $mib)"]} end
