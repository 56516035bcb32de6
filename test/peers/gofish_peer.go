// The four steps with gofish. Prints one JSON object: step -> "ok" or why not.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"

	"github.com/stmcginnis/gofish"
	"github.com/stmcginnis/gofish/redfish"
)

func main() {
	address, user, password, right := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	outcome := map[string]string{}
	var client *gofish.APIClient
	var system *redfish.ComputerSystem
	step := func(name string, run func() (string, error)) {
		defer func() {
			if failure := recover(); failure != nil {
				outcome[name] = fmt.Sprintf("panic: %.150v", failure)
			}
		}()
		said, err := run()
		if err != nil {
			said = fmt.Sprintf("%.200s", err)
		}
		outcome[name] = said
	}
	step("read", func() (string, error) {
		var err error
		client, err = gofish.Connect(gofish.ClientConfig{
			Endpoint: address, Username: user, Password: password, Insecure: true, BasicAuth: os.Getenv("PEER_BASIC") != "",
		})
		if err != nil {
			return "", err
		}
		systems, err := client.Service.Systems()
		if err != nil && len(systems) == 0 {
			return "", err
		}
		if len(systems) == 0 {
			return "no system", nil
		}
		system = systems[0]
		nics, err := system.EthernetInterfaces()
		if err != nil && len(nics) == 0 {
			return "", err
		}
		macs := []string{}
		for _, nic := range nics {
			macs = append(macs, nic.MACAddress)
		}
		sort.Strings(macs) // It reads several at a time.
		parts := []string{system.SerialNumber, system.UUID, string(system.PowerState)}
		said := strings.Join(append(parts, macs...), " ")
		if !strings.EqualFold(said, right) {
			return "read " + said, nil
		}
		return "ok", nil
	})
	step("pxe", func() (string, error) {
		return "ok", system.SetBoot(redfish.Boot{
			BootSourceOverrideTarget:  redfish.PxeBootSourceOverrideTarget,
			BootSourceOverrideEnabled: redfish.OnceBootSourceOverrideEnabled,
		})
	})
	step("on", func() (string, error) { return "ok", system.Reset(redfish.OnResetType) })
	step("off", func() (string, error) { return "ok", system.Reset(redfish.ForceOffResetType) })
	if client != nil {
		client.Logout()
	}
	text, _ := json.Marshal(outcome)
	fmt.Println(string(text))
}
