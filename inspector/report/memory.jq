include "text";

def gib: 1073741824;

# A slot with working memory in it: not empty, no flash, no memory that is used as a disk.
def is_installed:
  ((.Size | bytes) // 0) > 0
  and ((.Type // "") | test("flash|non-volatile"; "i") | not)
  and ((.["Memory Technology"] // "") | test("nvdimm|persistent"; "i") | not);

# Installed memory by the DIMM table. Without one, or where it has less than the kernel sees: MemTotal, rounded up to a whole GiB.
def memory(dmi; meminfo):
  (dmi | of_type(17) | map(select(is_installed))) as $dimms
  | ($dimms | map(.Size | bytes) | add // 0) as $installed
  | ((meminfo | capture("(^|\\n)MemTotal: +(?<kb>[0-9]+) kB") | .kb | tonumber * 1024) // 0) as $seen
  | (if $installed >= $seen and $installed > 0 then $installed else (($seen / gib) | ceil) * gib end) as $total
  | {
      totalBytes: $total,
      totalGB: ($total / gib | round),
      modules: ($dimms[0:1024] | map({
        id: ((.Locator | known) // (.["Bank Locator"] | known)),
        type: (.Type | known),
        sizeBytes: (.Size | bytes),
        speed: ((.["Configured Memory Speed"] | known) // (.["Configured Clock Speed"] | known) // (.Speed | known))
      } | filled))
    }
  | filled;
