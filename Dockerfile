# The image of Beskar7: Node 24, the sources as they are (Node strips the types), the workflow bundle made beforehand.
#   docker build -t beskar7 .
#   docker run --rm beskar7 --help

# The base. A release is built with its digest behind it, which has to stand in deploy/base-images.txt (.github/workflows/release.yml).
ARG NODE_IMAGE=node:24.21.0-slim

# What runs: no development dependencies, and no optional ones (a Node of its own, native parts of build tools).
FROM ${NODE_IMAGE} AS dependencies
WORKDIR /beskar7
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts \
 && rm -rf node_modules/@temporalio/core-bridge/releases/*-apple-* node_modules/@temporalio/core-bridge/releases/*-windows-*

# The workflow bundle. The bundler needs the native part of swc, which is an optional dependency.
FROM ${NODE_IMAGE} AS bundle
WORKDIR /beskar7
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --include=optional --ignore-scripts
COPY activities activities
COPY contracts contracts
COPY crds crds
COPY model model
COPY untrusted untrusted
COPY workers workers
COPY workflows workflows
RUN node workers/bundle.ts dist/workflow-bundle.js \
 && node workers/bundle.ts --traced dist/workflow-bundle.traced.js

# The web page. Vite is a development dependency.
FROM ${NODE_IMAGE} AS page
WORKDIR /beskar7
COPY package.json package-lock.json .npmrc ./
# Its build tools have no install scripts that are needed: their native parts are packages of their own.
RUN npm ci --include=optional --ignore-scripts
COPY crds crds
COPY untrusted untrusted
COPY tools/commands/webBuild.ts tools/commands/webBuild.ts
COPY tools/web/build.ts tools/web/build.ts
COPY web/page web/page
COPY web/shared web/shared
COPY web/vite.config.ts web/vite.config.ts
RUN node tools/commands/webBuild.ts

# Simulated BMCs and servers, for docker-compose.yml: docker build --target simulator. It is no part of the product.
FROM ${NODE_IMAGE} AS simulator
ENV NODE_ENV=production
WORKDIR /beskar7
COPY --from=dependencies /beskar7/node_modules node_modules
COPY package.json LICENSE ./
COPY simulator simulator
USER 1000:1000
ENTRYPOINT ["node", "simulator/main.ts"]

FROM ${NODE_IMAGE}
LABEL org.opencontainers.image.title="Beskar7" \
      org.opencontainers.image.description="Cluster API infrastructure provider for bare metal: every provisioning is a Temporal workflow" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV NODE_ENV=production \
    BESKAR7_WORKFLOW_BUNDLE=/beskar7/dist/workflow-bundle.js
WORKDIR /beskar7
COPY --from=dependencies /beskar7/node_modules node_modules
COPY --from=bundle /beskar7/dist dist
COPY package.json LICENSE ./
COPY activities activities
COPY api api
COPY cli cli
COPY codec codec
COPY contracts contracts
COPY controllers controllers
COPY crds crds
COPY http http
COPY kube kube
COPY model model
COPY redfish redfish
COPY untrusted untrusted
COPY view view
COPY web/server web/server
COPY web/shared web/shared
COPY --from=page /beskar7/web/dist web/dist
COPY webhooks webhooks
COPY workers workers
COPY workflows workflows
# uid and gid 1000 of the base image, as numbers, so that Kubernetes can check runAsNonRoot.
USER 1000:1000
# 8080 metrics, 8081 health, 8082 callbacks, 8083 boot scripts, 8090 web page
EXPOSE 8080 8081 8082 8083 8090
ENTRYPOINT ["node", "workers/main.ts"]
