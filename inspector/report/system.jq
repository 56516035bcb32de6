include "text";

# What makers that give no board a UUID of its own write instead: all digits the same, or a text of AMI's (03000200-0400-0500-0006-000700080009).
def known_uuid:
  clean
  | if . == null then null
    else ascii_downcase
      | if test("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$") and (test("^([0-9a-f])\\1{7}(-\\1{4}){3}-\\1{12}$|^03000200-0400-0500-0006-000700080009$|^12345678-1234-5678-90ab-cddeefaabbcc$") | not)
        then . else null end
    end;

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
      uuid: ($system.UUID | known_uuid),
      biosVersion: ($bios.Version | known),
      bmcAddress: ((lan | capture("(^|\\n)IP Address +: (?<ip>[0-9.]+)") | .ip | if . == "0.0.0.0" then null else . end) // null)
    }
  | filled;
