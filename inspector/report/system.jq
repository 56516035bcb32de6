include "text";

# The maker's own fields, else those of the mainboard and the chassis; null where all of them are what the factory left.
def system(dmi; lan):
  (dmi | of_type(0) | first // {}) as $bios
  | (dmi | of_type(1) | first // {}) as $system
  | (dmi | of_type(2) | first // {}) as $board
  | (dmi | of_type(3) | first // {}) as $chassis
  | {
      manufacturer: (($system.Manufacturer | known) // ($board.Manufacturer | known) // ($chassis.Manufacturer | known)),
      model: (($system["Product Name"] | known) // ($board["Product Name"] | known)),
      serialNumber: (($system["Serial Number"] | known) // ($chassis["Serial Number"] | known) // ($board["Serial Number"] | known)),
      biosVersion: ($bios.Version | known),
      bmcAddress: ((lan | capture("(^|\\n)IP Address +: (?<ip>[0-9.]+)") | .ip | if . == "0.0.0.0" then null else . end) // null)
    }
  | filled;
