// Two accounts, since one setting must differ: Azure DevOps puts events on a queue by the account's key and by nothing
// else, and a key opens all of an account. So the queue has an account of its own, and the one with the records has none.
param location string
param ingestName string
param storeName string
param queue string
param table string
@description('Whether the queue\'s account may be used by its keys.')
param keys bool
param redundancy string
param subnetId string
param allowedAddresses array

resource ingest 'Microsoft.Storage/storageAccounts@2026-09-01' = {
  // checkov:skip=CKV_AZURE_43: The name is made in main.bicep of lower case letters and digits.
  // checkov:skip=CKV_AZURE_206: The redundancy is a parameter; each of the allowed ones but LRS outlives a zone.
  // checkov:skip=CKV_AZURE_35: Azure DevOps comes from the internet; without keys the default is to deny.
  // checkov:skip=CKV_AZURE_59: No blob is public; the queue has to be reached by Azure DevOps.
  name: ingestName
  location: location
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    allowSharedKeyAccess: keys
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      // Azure DevOps comes from the internet.
      defaultAction: keys ? 'Allow' : 'Deny'
      virtualNetworkRules: [
        {
          id: subnetId
          action: 'Allow'
        }
      ]
      ipRules: [for address in allowedAddresses: {
        value: address
        action: 'Allow'
      }]
    }
    keyPolicy: {
      keyExpirationPeriodInDays: 90
    }
  }
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices@2026-09-01' = {
  parent: ingest
  name: 'default'
}

resource events 'Microsoft.Storage/storageAccounts/queueServices/queues@2026-09-01' = {
  parent: queues
  name: queue
}

// A copy of each dead letter, for other tools.
resource poison 'Microsoft.Storage/storageAccounts/queueServices/queues@2026-09-01' = {
  parent: queues
  name: '${queue}-poison'
}

resource store 'Microsoft.Storage/storageAccounts@2026-09-01' = {
  // checkov:skip=CKV_AZURE_43: The name is made in main.bicep of lower case letters and digits.
  // checkov:skip=CKV_AZURE_206: The redundancy is a parameter; each of the allowed ones but LRS outlives a zone.
  // checkov:skip=CKV_AZURE_59: Only the apps' subnet and the addresses that are named come in.
  name: storeName
  location: location
  kind: 'StorageV2'
  sku: {
    name: redundancy
  }
  properties: {
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    isLocalUserEnabled: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Deny'
      virtualNetworkRules: [
        {
          id: subnetId
          action: 'Allow'
        }
      ]
      ipRules: [for address in allowedAddresses: {
        value: address
        action: 'Allow'
      }]
    }
  }
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices@2026-09-01' = {
  parent: store
  name: 'default'
}

resource records 'Microsoft.Storage/storageAccounts/tableServices/tables@2026-09-01' = {
  parent: tables
  name: table
}

// A table that somebody deletes is lost with all that is in it. The queue's account may go: its events can be asked for.
resource lock 'Microsoft.Authorization/locks@2020-05-01' = {
  name: 'records'
  scope: store
  properties: {
    level: 'CanNotDelete'
    notes: 'The records of Pipetrail: infra/RUNBOOK.md says how they are moved before this may go.'
  }
}

output ingestName string = ingest.name
output storeName string = store.name
output tableEndpoint string = store.properties.primaryEndpoints.table
