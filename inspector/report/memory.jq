include "text";

def gib: 1073741824;

# A slot with working memory in it: not empty, no flash, no memory that is used as a disk.
def is_installed:
  ((.Size | bytes) // 0) > 0
  and ((.Type // "") | test("flash|non-volatile"; "i") | not)
  and ((.["Memory Technology"] // "") | test("nvdimm|persistent"; "i") | not);

# What counts is what the kernel can use: memory that is mapped out, mirrored or spared is in the DIMM table and not there. Up to 1/32 and 1 GiB
# less than the table is what every kernel and firmware keep for themselves: then it is the table that counts. Without a table, or where it has
# less than the kernel sees: MemTotal, rounded up to a whole GiB. `installedBytes` is there where the table has more than what counts.
def memory(dmi; meminfo):
  (dmi | of_type(17) | map(select(is_installed))) as $dimms
  | ($dimms | map(.Size | bytes) | add // 0) as $installed
  | ((meminfo | capture("(^|\\n)MemTotal: +(?<kb>[0-9]+) kB") | .kb | tonumber * 1024) // 0) as $seen
  | ($installed > 0 and $installed >= $seen and ($seen == 0 or $seen >= $installed - $installed / 32 - gib)) as $is_all_there
  | (if $is_all_there then $installed else (($seen / gib) | ceil) * gib end) as $total
  | {
      totalBytes: $total,
      totalGB: ($total / gib | round),
      installedBytes: (if $installed > $total then $installed else null end),
      modules: ($dimms[0:1024] | map({
        id: ((.Locator | known) // (.["Bank Locator"] | known)),
        type: (.Type | known),
        sizeBytes: (.Size | bytes),
        speed: ((.["Configured Memory Speed"] | known) // (.["Configured Clock Speed"] | known) // (.Speed | known))
      } | filled))
    }
  | filled;
