// Copy it, and put in what is yours. Secrets come from the environment of who deploys; one that is not there stays what it is
// in the vault.
using './main.bicep'

param image = 'fabrikam.azurecr.io/pipetrail:0.1.0'
param registryName = 'fabrikam'
param organization = 'fabrikam'
param alertMail = 'oncall@fabrikam.example'
param readToken = readEnvironmentVariable('PIPETRAIL_READ_TOKEN', '')
param adminToken = readEnvironmentVariable('PIPETRAIL_ADMIN_TOKEN', '')
param sessionKey = readEnvironmentVariable('PIPETRAIL_SESSION_KEY', '')
param hookPassword = readEnvironmentVariable('PIPETRAIL_HOOK_PASSWORD', '')
param configuration = loadTextContent('pipetrail.toml')
param clustersPost = false
param fluxSecret = readEnvironmentVariable('PIPETRAIL_FLUX_SECRET', '')
