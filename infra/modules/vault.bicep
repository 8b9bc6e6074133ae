// What people and Azure DevOps have to show. The apps read it by the identity of the platform, at every start.
// A secret that is not given is left as it is.
param location string
param name string
@secure()
param readToken string
@secure()
param adminToken string
@secure()
param sessionKey string
@secure()
param hookPassword string
@secure()
param fluxSecret string

resource vault 'Microsoft.KeyVault/vaults@2026-05-15' = {
  // checkov:skip=CKV_AZURE_109: Container Apps read secrets from outside of the network of the apps; roles decide who may.
  // checkov:skip=CKV_AZURE_189: As CKV_AZURE_109.
  name: name
  location: location
  properties: {
    tenantId: subscription().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: 'Allow'
    }
  }
}

resource read 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = if (!empty(readToken)) {
  // checkov:skip=CKV_AZURE_41: One that ends by itself would lock everybody out; RUNBOOK.md says how they are changed.
  // checkov:skip=CKV_AZURE_114: It has one; checkov does not look behind a condition.
  parent: vault
  name: 'read-token'
  properties: {
    contentType: 'PIPETRAIL_READ_TOKEN'
    value: readToken
  }
}

resource admin 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = if (!empty(adminToken)) {
  // checkov:skip=CKV_AZURE_41: One that ends by itself would lock everybody out; RUNBOOK.md says how they are changed.
  // checkov:skip=CKV_AZURE_114: It has one; checkov does not look behind a condition.
  parent: vault
  name: 'admin-token'
  properties: {
    contentType: 'PIPETRAIL_ADMIN_TOKEN'
    value: adminToken
  }
}

resource session 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = if (!empty(sessionKey)) {
  // checkov:skip=CKV_AZURE_41: One that ends by itself would lock everybody out; RUNBOOK.md says how they are changed.
  // checkov:skip=CKV_AZURE_114: It has one; checkov does not look behind a condition.
  parent: vault
  name: 'session-key'
  properties: {
    contentType: 'PIPETRAIL_SESSION_KEY'
    value: sessionKey
  }
}

resource hook 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = if (!empty(hookPassword)) {
  // checkov:skip=CKV_AZURE_41: One that ends by itself would lock everybody out; RUNBOOK.md says how they are changed.
  // checkov:skip=CKV_AZURE_114: It has one; checkov does not look behind a condition.
  parent: vault
  name: 'hook-password'
  properties: {
    contentType: 'PIPETRAIL_HOOK_PASSWORD'
    value: hookPassword
  }
}

resource flux 'Microsoft.KeyVault/vaults/secrets@2026-05-15' = if (!empty(fluxSecret)) {
  // checkov:skip=CKV_AZURE_41: One that ends by itself would lock everybody out; RUNBOOK.md says how they are changed.
  // checkov:skip=CKV_AZURE_114: It has one; checkov does not look behind a condition.
  parent: vault
  name: 'flux-secret'
  properties: {
    contentType: 'PIPETRAIL_FLUX_SECRET'
    value: fluxSecret
  }
}

output name string = vault.name
output uri string = vault.properties.vaultUri
