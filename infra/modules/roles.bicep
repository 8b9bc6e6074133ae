// The programs' identities, and what they may do: something with the two accounts, and nothing else of Azure.
//
// The reader writes, too: dead letters that somebody requeues, Spektate's rows, and the write by which /readyz finds out
// whether it could.
param location string
param name string
param ingestName string
param storeName string

@description('Storage Queue Data Contributor.')
var queueRole = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
@description('Storage Table Data Contributor.')
var tableRole = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

resource worker 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-worker'
  location: location
}

resource reader 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-reader'
  location: location
}

resource ingest 'Microsoft.Storage/storageAccounts@2026-09-01' existing = {
  name: ingestName
}

resource store 'Microsoft.Storage/storageAccounts@2026-09-01' existing = {
  name: storeName
}

resource workerOnQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(ingest.id, worker.id, queueRole)
  scope: ingest
  properties: {
    principalId: worker.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueRole)
  }
}

resource workerOnTable 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(store.id, worker.id, tableRole)
  scope: store
  properties: {
    principalId: worker.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableRole)
  }
}

resource readerOnQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(ingest.id, reader.id, queueRole)
  scope: ingest
  properties: {
    principalId: reader.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueRole)
  }
}

resource readerOnTable 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(store.id, reader.id, tableRole)
  scope: store
  properties: {
    principalId: reader.properties.principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableRole)
  }
}

output workerId string = worker.id
output workerClientId string = worker.properties.clientId
output workerPrincipal string = worker.properties.principalId
output readerId string = reader.id
output readerClientId string = reader.properties.clientId
