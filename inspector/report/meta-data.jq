# What the OS of the machine is told of itself, beside its user data: {provider_id, node_labels, failure_domain?, region?}. $id is the providerID;
# $told is what Beskar7 sent with the user data, JSON: anything that is no text under a known key is left out.
($told | try fromjson catch {}) as $all
| (if ($all | type) == "object" then $all else {} end) as $all
| {provider_id: $id, node_labels: ""}
  + ({node_labels: $all.node_labels, failure_domain: $all.failure_domain, region: $all.region}
    | with_entries(select((.value | type) == "string")))
