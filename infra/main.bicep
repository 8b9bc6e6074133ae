// Pipetrail in a resource group of Azure: two storage accounts, a worker and a reader as Container Apps, alerts.
//
//   az deployment group create -g pipetrail -f infra/main.bicep -p infra/main.bicepparam
//
// What it costs and what to do when an alert comes: infra/README.md and infra/RUNBOOK.md.
targetScope = 'resourceGroup'

@description('Where everything is.')
param location string = resourceGroup().location

@description('What names begin with: 3 to 9 lower case letters and digits. An account of storage has a name of 24 at the most, and 15 of them are made.')
@minLength(3)
@maxLength(9)
param name string = 'pipetrail'

@description('The image, such as fabrikam.azurecr.io/pipetrail:0.1.0. Name a version: with latest nobody knows what runs.')
param image string

@description('A container registry of Azure in this resource group that holds the image; empty where no sign-in is needed.')
param registryName string = ''

@description('How events come. queue: Azure DevOps puts them on the queue, for which it needs a key of the account. webHook: it posts them to the worker, and no account has keys.')
@allowed([
  'queue'
  'webHook'
])
param eventsBy string = 'queue'

@description('The organization of Azure DevOps whose hooks are looked after and whose lost events are asked for. Empty: neither. The worker\'s identity has to be a user of it; see infra/README.md.')
param organization string = ''

@description('Its projects, by name or id, with commas between them. Empty: all.')
param projects string = ''

@description('Workers that run even when the queue is empty. 0 saves most, but then nobody looks after hooks meanwhile, and posts would be lost; so it counts only where events come by the queue and no organization is set.')
@minValue(0)
param workersAtLeast int = 1

@description('Workers at the most.')
@minValue(1)
param workersAtMost int = 4

@description('Messages that wait, for each worker: more start another one.')
@minValue(1)
param messagesPerWorker int = 500

@description('Readers. Each has its own replica of the records, which it builds when it starts.')
@minValue(1)
param readers int = 1

@description('Whether readers can be reached from outside of the network. They ask for a token either way.')
param readersAreExternal bool = true

@description('Redundancy of both accounts. ZRS outlives a zone; not every region has it.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
  'Standard_GZRS'
])
param redundancy string = 'Standard_ZRS'

@description('Addresses from which people and their tools may reach the records and, without keys, the queue, such as 203.0.113.7.')
param allowedAddresses array = []

@description('Who hears of alerts.')
param alertMail string

@description('A message that waits for so many minutes raises an alert.')
@minValue(1)
param oldestMessageMinutes int = 30

@description('No event in so many hours raises an alert. Longer than your quietest night; 0 switches it off.')
@allowed([
  0
  1
  2
  3
  4
  5
  6
  24
  48
])
param silenceHours int = 24

@description('What readers show, 16 characters or more. Empty, as each of these four may be after the first deployment: what is in the vault stays.')
@secure()
param readToken string = ''

@description('What administrators show, 16 characters or more.')
@secure()
param adminToken string = ''

@description('What browsers\' sessions are signed with, 32 characters or more.')
@secure()
param sessionKey string = ''

@description('The password that posts of Azure DevOps have to show; the user is hooks.')
@secure()
param hookPassword string = ''

@description('The text of the configuration file, such as loadTextContent(\'pipetrail.toml\'): deployment chains, owners. Empty: none.')
param configuration string = ''

@description('Whether clusters post what they have to /hooks/flux of the readers, signed with fluxSecret.')
param clustersPost bool = false

@description('What clusters sign their posts with, 16 characters or more. Empty: what is in the vault stays.')
@secure()
param fluxSecret string = ''

@description('The table of Spektate, in the account of the records, that readers keep up to date. Empty: none.')
param spektateTable string = ''

var queue = 'ado-events'
var table = 'pipetrail'
var unique = uniqueString(resourceGroup().id)

module network 'modules/network.bicep' = {
  name: 'network'
  params: {
    location: location
    name: name
  }
}

module storage 'modules/storage.bicep' = {
  name: 'storage'
  params: {
    location: location
    ingestName: '${name}in${unique}'
    storeName: '${name}${unique}'
    queue: queue
    table: table
    keys: eventsBy == 'queue'
    redundancy: redundancy
    subnetId: network.outputs.subnetId
    allowedAddresses: allowedAddresses
  }
}

module vault 'modules/vault.bicep' = {
  name: 'vault'
  params: {
    location: location
    name: '${take(name, 8)}-${unique}'
    readToken: readToken
    adminToken: adminToken
    sessionKey: sessionKey
    hookPassword: hookPassword
    fluxSecret: fluxSecret
  }
}

module platform 'modules/platform.bicep' = {
  name: 'platform'
  params: {
    location: location
    name: name
    subnetId: network.outputs.subnetId
    ingestName: storage.outputs.ingestName
    vaultName: vault.outputs.name
    registryName: registryName
  }
}

module roles 'modules/roles.bicep' = {
  name: 'roles'
  params: {
    location: location
    name: name
    ingestName: storage.outputs.ingestName
    storeName: storage.outputs.storeName
  }
}

module apps 'modules/apps.bicep' = {
  name: 'apps'
  params: {
    location: location
    name: name
    environmentId: platform.outputs.environmentId
    identityId: platform.outputs.identityId
    workerId: roles.outputs.workerId
    workerClientId: roles.outputs.workerClientId
    readerId: roles.outputs.readerId
    readerClientId: roles.outputs.readerClientId
    image: image
    registryName: registryName
    vaultUri: vault.outputs.uri
    domain: platform.outputs.domain
    ingestName: storage.outputs.ingestName
    tableEndpoint: storage.outputs.tableEndpoint
    queue: queue
    table: table
    eventsBy: eventsBy
    organization: organization
    projects: projects
    workersAtLeast: workersAtLeast
    workersAtMost: workersAtMost
    messagesPerWorker: messagesPerWorker
    readers: readers
    readersAreExternal: readersAreExternal
    configuration: configuration
    clustersPost: clustersPost
    spektateTable: spektateTable
  }
}

module alerts 'modules/alerts.bicep' = {
  name: 'alerts'
  params: {
    location: location
    name: name
    workspaceId: platform.outputs.workspaceId
    mail: alertMail
    worker: apps.outputs.workerName
    workerRunsAlways: apps.outputs.workerRunsAlways
    hooksAreWatched: !empty(organization)
    oldestMessageMinutes: oldestMessageMinutes
    silenceHours: silenceHours
  }
}

@description('Where readers go.')
output readersUrl string = apps.outputs.readersUrl

@description('Where Azure DevOps posts events, where they come by web hook.')
output hooksUrl string = apps.outputs.hooksUrl

@description('The account whose name and key go to pipetrail subscriptions apply, where events come by the queue.')
output ingestAccount string = storage.outputs.ingestName

@description('The worker as a user for Azure DevOps: add it to the organization by this object id.')
output workerPrincipal string = roles.outputs.workerPrincipal
