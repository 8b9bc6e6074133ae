// The worker, which KEDA makes more of while messages wait, and the reader.
//
// Each has an identity of its own, by which it uses the accounts (PIPETRAIL_IDENTITY names it). Identities are made apart
// from the apps, so that their roles are there before: an app that may do nothing yet would end at its start, and its
// deployment with it.
param location string
param name string
param environmentId string
@description('Where the environment\'s apps are reached.')
param domain string
@description('The identity that pulls the image, reads secrets and counts messages.')
param identityId string
param workerId string
param workerClientId string
param readerId string
param readerClientId string
param image string
param registryName string
param vaultUri string
param ingestName string
param tableEndpoint string
param queue string
param table string
param eventsBy string
param organization string
param projects string
param workersAtLeast int
param workersAtMost int
param messagesPerWorker int
param readers int
param readersAreExternal bool
param configuration string
param clustersPost bool
param spektateTable string

var port = 8080
var byWebHook = eventsBy == 'webHook'
var runsAlways = byWebHook || !empty(organization) || workersAtLeast > 0
var hooksUrl = byWebHook ? 'https://${name}-worker.${domain}' : ''
var readersUrl = 'https://${name}-reader.${readersAreExternal ? domain : 'internal.${domain}'}'

// The account that is named is the one that Azure DevOps puts events into: whoever looks after subscriptions goes by it.
var storageSettings = [
  {
    name: 'PIPETRAIL_STORAGE'
    value: 'azure'
  }
  {
    name: 'AZURE_STORAGE_ACCOUNT'
    value: ingestName
  }
  {
    name: 'AZURE_STORAGE_TABLE_ENDPOINT'
    value: tableEndpoint
  }
  {
    name: 'PIPETRAIL_QUEUE'
    value: queue
  }
  {
    name: 'PIPETRAIL_TABLE'
    value: table
  }
  {
    name: 'PIPETRAIL_LOG_FORMAT'
    value: 'json'
  }
  {
    name: 'PIPETRAIL_HOOK_USER'
    value: 'hooks'
  }
  {
    name: 'PIPETRAIL_HOOK_PASSWORD'
    secretRef: 'hook-password'
  }
  {
    name: 'PIPETRAIL_READ_TOKEN'
    secretRef: 'read-token'
  }
]

var organizationSettings = [
  {
    name: 'PIPETRAIL_ORGANIZATION'
    value: organization
  }
]

var projectSettings = [
  {
    name: 'PIPETRAIL_PROJECTS'
    value: projects
  }
]

var askingSettings = empty(organization) ? [] : concat(organizationSettings, empty(projects) ? [] : projectSettings)

var workerSettings = [
  {
    name: 'PIPETRAIL_IDENTITY'
    value: workerClientId
  }
]

// Whoever looks after subscriptions knows those of this place by it.
var hooksSettings = byWebHook ? [
  {
    name: 'PIPETRAIL_PUBLIC_URL'
    value: hooksUrl
  }
] : []

var readerSettings = [
  {
    name: 'PIPETRAIL_IDENTITY'
    value: readerClientId
  }
  {
    name: 'PIPETRAIL_ADMIN_TOKEN'
    secretRef: 'admin-token'
  }
  {
    name: 'PIPETRAIL_SESSION_KEY'
    secretRef: 'session-key'
  }
  {
    name: 'PIPETRAIL_PUBLIC_URL'
    value: readersUrl
  }
  {
    name: 'PIPETRAIL_CATALOG'
    value: '/cache/catalog.db'
  }
]

// What deployment chains want: the file that says which repositories make one, what clusters sign with, Spektate's table.
var isConfigured = !empty(configuration)
var configurationSettings = [
  {
    name: 'PIPETRAIL_CONFIG'
    value: '/config/pipetrail.toml'
  }
]
var configurationSecrets = [
  {
    name: 'configuration'
    value: configuration
  }
]
var configurationVolumes = [
  {
    name: 'configuration'
    storageType: 'Secret'
    secrets: [
      {
        secretRef: 'configuration'
        path: 'pipetrail.toml'
      }
    ]
  }
]
var configurationMounts = [
  {
    volumeName: 'configuration'
    mountPath: '/config'
  }
]
var fluxSettings = [
  {
    name: 'PIPETRAIL_FLUX_SECRET'
    secretRef: 'flux-secret'
  }
]
var fluxSecrets = [
  {
    name: 'flux-secret'
    keyVaultUrl: '${vaultUri}secrets/flux-secret'
    identity: identityId
  }
]
var spektateSettings = [
  {
    name: 'PIPETRAIL_SPEKTATE_TABLE'
    value: spektateTable
  }
]
var chainSettings = concat(isConfigured ? configurationSettings : [], clustersPost ? fluxSettings : [])
var chainSecrets = concat(isConfigured ? configurationSecrets : [], clustersPost ? fluxSecrets : [])

var registries = empty(registryName) ? [] : [
  {
    server: '${registryName}${az.environment().suffixes.acrLoginServer}'
    identity: identityId
  }
]

var workerArguments = [
  'work'
  '--listen'
  '0.0.0.0:${port}'
]
var askingArguments = [
  '--reconcile'
  '15m'
]
var watchingArguments = [
  '--watch-hooks'
  '10m'
  '--hooks-to'
  byWebHook ? 'web-hook' : 'queue'
]
var organizationArguments = empty(organization) ? [] : concat(askingArguments, watchingArguments)

var alive = {
  path: '/healthz'
  port: port
}
var ready = {
  path: '/readyz'
  port: port
}

resource worker 'Microsoft.App/containerApps@2026-07-01' = {
  name: '${name}-worker'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
      '${workerId}': {}
    }
  }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: registries
      ingress: byWebHook ? {
        external: true
        targetPort: port
        transport: 'http'
        allowInsecure: false
      } : null
      secrets: concat([
        {
          name: 'hook-password'
          keyVaultUrl: '${vaultUri}secrets/hook-password'
          identity: identityId
        }
        {
          name: 'read-token'
          keyVaultUrl: '${vaultUri}secrets/read-token'
          identity: identityId
        }
      ], chainSecrets)
    }
    template: {
      // A batch may take 60 s, and a stop waits for it.
      terminationGracePeriodSeconds: 90
      containers: [
        {
          name: 'worker'
          image: image
          args: concat(workerArguments, organizationArguments)
          env: concat(storageSettings, workerSettings, hooksSettings, askingSettings, chainSettings)
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
          volumeMounts: isConfigured ? configurationMounts : []
          probes: [
            {
              type: 'Liveness'
              httpGet: alive
              periodSeconds: 30
              timeoutSeconds: 5
              failureThreshold: 4
            }
            {
              type: 'Readiness'
              httpGet: ready
              periodSeconds: 30
              timeoutSeconds: 25
              failureThreshold: 3
            }
          ]
        }
      ]
      volumes: isConfigured ? configurationVolumes : []
      scale: {
        minReplicas: runsAlways ? max(1, workersAtLeast) : 0
        maxReplicas: max(workersAtMost, workersAtLeast)
        rules: [
          {
            name: 'messages'
            azureQueue: {
              accountName: ingestName
              queueName: queue
              queueLength: messagesPerWorker
              identity: identityId
            }
          }
        ]
      }
    }
  }
}

resource reader 'Microsoft.App/containerApps@2026-07-01' = {
  name: '${name}-reader'
  location: location
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
      '${readerId}': {}
    }
  }
  properties: {
    environmentId: environmentId
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      registries: registries
      ingress: {
        external: readersAreExternal
        targetPort: port
        transport: 'http'
        allowInsecure: false
      }
      secrets: concat([
        {
          name: 'hook-password'
          keyVaultUrl: '${vaultUri}secrets/hook-password'
          identity: identityId
        }
        {
          name: 'read-token'
          keyVaultUrl: '${vaultUri}secrets/read-token'
          identity: identityId
        }
        {
          name: 'admin-token'
          keyVaultUrl: '${vaultUri}secrets/admin-token'
          identity: identityId
        }
        {
          name: 'session-key'
          keyVaultUrl: '${vaultUri}secrets/session-key'
          identity: identityId
        }
      ], chainSecrets)
    }
    template: {
      terminationGracePeriodSeconds: 30
      containers: [
        {
          name: 'reader'
          image: image
          args: [
            'serve'
            '--listen'
            '0.0.0.0:${port}'
          ]
          env: concat(storageSettings, readerSettings, chainSettings, empty(spektateTable) ? [] : spektateSettings)
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          volumeMounts: concat([
            {
              volumeName: 'cache'
              mountPath: '/cache'
            }
          ], isConfigured ? configurationMounts : [])
          probes: [
            {
              type: 'Liveness'
              httpGet: alive
              periodSeconds: 30
              timeoutSeconds: 5
              failureThreshold: 4
            }
            {
              type: 'Readiness'
              httpGet: ready
              periodSeconds: 30
              timeoutSeconds: 25
              failureThreshold: 3
            }
          ]
        }
      ]
      volumes: concat([
        {
          // The replica: it may go at any time, and is made anew.
          name: 'cache'
          storageType: 'EmptyDir'
        }
      ], isConfigured ? configurationVolumes : [])
      scale: {
        minReplicas: readers
        maxReplicas: readers
      }
    }
  }
}

output workerName string = worker.name
output workerRunsAlways bool = runsAlways
output readersUrl string = readersUrl
output hooksUrl string = hooksUrl
