// What the programs may do with the accounts, and nothing else of Azure.
//
// The reader writes, too: dead letters that somebody requeues, Spektate's rows, and the write by which /readyz finds out
// whether it could.
param ingestName string
param storeName string
param workerPrincipal string
param readerPrincipal string

@description('Storage Queue Data Contributor.')
var queueRole = '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
@description('Storage Table Data Contributor.')
var tableRole = '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'

resource ingest 'Microsoft.Storage/storageAccounts@2026-09-01' existing = {
  name: ingestName
}

resource store 'Microsoft.Storage/storageAccounts@2026-09-01' existing = {
  name: storeName
}

resource workerOnQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(ingest.id, workerPrincipal, queueRole)
  scope: ingest
  properties: {
    principalId: workerPrincipal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueRole)
  }
}

resource workerOnTable 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(store.id, workerPrincipal, tableRole)
  scope: store
  properties: {
    principalId: workerPrincipal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableRole)
  }
}

resource readerOnQueue 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(ingest.id, readerPrincipal, queueRole)
  scope: ingest
  properties: {
    principalId: readerPrincipal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', queueRole)
  }
}

resource readerOnTable 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(store.id, readerPrincipal, tableRole)
  scope: store
  properties: {
    principalId: readerPrincipal
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', tableRole)
  }
}
