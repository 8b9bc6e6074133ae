// The worker, which KEDA makes more of while messages wait, and the reader.
//
// Both have an identity of their own, by which they use the accounts: the SDK asks for it where AZURE_CREDENTIAL_KIND
// says appservice, and finds no other than the one of the system. Its roles come after the apps (modules/roles.bicep), so
// their first starts fail, and are tried again until the roles are there.
param location string
param name string
param environmentId string
@description('Where the environment\'s apps are reached.')
param domain string
@description('The identity that pulls the image, reads secrets and counts messages.')
param identityId string
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

var port = 8080
var byWebHook = eventsBy == 'webHook'
var runsAlways = byWebHook || !empty(organization) || workersAtLeast > 0
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
    name: 'AZURE_CREDENTIAL_KIND'
    value: 'appservice'
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

var readerSettings = [
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
]
var organizationArguments = empty(organization) ? [] : concat(askingArguments, byWebHook ? [] : watchingArguments)

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
    type: 'SystemAssigned,UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
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
      secrets: [
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
      ]
    }
    template: {
      // A batch may take 60 s, and a stop waits for it.
      terminationGracePeriodSeconds: 90
      containers: [
        {
          name: 'worker'
          image: image
          args: concat(workerArguments, organizationArguments)
          env: concat(storageSettings, askingSettings)
          resources: {
            cpu: json('0.25')
            memory: '0.5Gi'
          }
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
    type: 'SystemAssigned,UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
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
      secrets: [
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
      ]
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
          env: concat(storageSettings, readerSettings)
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          volumeMounts: [
            {
              volumeName: 'cache'
              mountPath: '/cache'
            }
          ]
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
      volumes: [
        {
          // The replica: it may go at any time, and is made anew.
          name: 'cache'
          storageType: 'EmptyDir'
        }
      ]
      scale: {
        minReplicas: readers
        maxReplicas: readers
      }
    }
  }
}

output workerName string = worker.name
output workerRunsAlways bool = runsAlways
output workerPrincipal string = worker.identity.principalId
output readerPrincipal string = reader.identity.principalId
output readersUrl string = readersUrl
output hooksUrl string = byWebHook ? 'https://${name}-worker.${domain}' : ''
