include "text";

# The devices of `lspci -Dvmmnnk`.
def devices:
  split("\n\n") | map(split("\n") | pairs("^(?<key>[A-Za-z]+):\\s+(?<value>.*)$") | select(.Slot != null))
  | map(. + {code: ((.Class // "") | capture("\\[(?<c>[0-9a-f]{4})\\]$") | .c), maker: ((.Vendor // "") | capture("\\[(?<v>[0-9a-f]{4})\\]$") | .v)});

def named: if type == "string" then sub(" *\\[[0-9a-f]{4}\\]$"; "") | known else null end;

def of_class(pattern): map(select((.code // "") | test(pattern)));

def storage_controllers: of_class("^01")[0:128] | map({id: .Slot, vendor: (.Vendor | named), model: (.Device | named), driver: (.Driver | clean)} | filled);

# The screen of a BMC (ASPEED, Matrox) or of a hypervisor is none.
def accelerators:
  (of_class("^(0300|0380)$") | map(select(.maker == "10de" or .maker == "1002" or (.maker == "8086" and .code == "0380")))) + of_class("^(0302|12..)$")
  | sort_by(.Slot)[0:128]
  | map({id: .Slot, vendor: (.Vendor | named), model: (.Device | named), type: (if (.code // "") | startswith("12") then "Accelerator" else "GPU" end)} | filled);
