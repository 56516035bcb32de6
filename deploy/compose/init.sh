#!/bin/sh
# Makes the API server of docker-compose.yml ready for Beskar7: CustomResourceDefinitions, ServiceAccount, a kubeconfig of that account, examples.
# May run again at any time.
set -eu
umask 077
SERVER=https://kubernetes:6443
# k3s writes its kubeconfig for 127.0.0.1, which is another container here.
sed "s#https://127.0.0.1:6443#$SERVER#" /kubeconfig/admin.yaml > "$KUBECONFIG"

kubectl apply --server-side -f /crds
kubectl wait --for=condition=Established --timeout=60s -f /crds
kubectl apply --server-side -f /manifests -f /manifests/all-in-one/account.yaml

CA=$(kubectl config view --raw -o jsonpath='{.clusters[0].cluster.certificate-authority-data}')
TOKEN=$(kubectl create token beskar7 -n beskar7-system --duration=8760h)
cat > /kubeconfig/beskar7.yaml.new <<END
apiVersion: v1
kind: Config
clusters:
  - name: compose
    cluster: {server: "$SERVER", certificate-authority-data: "$CA"}
users:
  - name: beskar7
    user: {token: "$TOKEN"}
contexts:
  - name: beskar7
    context: {cluster: compose, user: beskar7}
current-context: beskar7
END
# Beskar7 runs as uid 1000.
chown 1000:1000 /kubeconfig/beskar7.yaml.new
chmod 0400 /kubeconfig/beskar7.yaml.new
mv /kubeconfig/beskar7.yaml.new /kubeconfig/beskar7.yaml

kubectl apply --server-side -f /compose/examples
echo 'ready: docker compose exec kubernetes kubectl get physicalhosts,beskar7machines'
