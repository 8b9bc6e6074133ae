// What somebody has to hear of, out of the lines that the worker logs: every 5 minutes `queue looked at`, at every look at
// the hooks `hooks looked at`, for each batch `batch settled`. infra/RUNBOOK.md says what to do about each.
//
// Their table is made by the first line that is logged, so that no query could be validated in the first deployment.
param location string
param name string
param workspaceId string
param mail string
param worker string
param workerRunsAlways bool
param hooksAreWatched bool
param oldestMessageMinutes int
param silenceHours int

var lines = 'ContainerAppConsoleLogs_CL | where ContainerAppName_s == "${worker}" | extend line = parse_json(Log_s) | extend says = tostring(line.message)'
var looks = '${lines} | where says == "queue looked at"'

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${name}-people'
  location: 'Global'
  properties: {
    groupShortName: take(name, 12)
    enabled: true
    emailReceivers: [
      {
        name: 'mail'
        emailAddress: mail
        useCommonAlertSchema: true
      }
    ]
  }
}

resource oldest 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${name}-oldest-message'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Pipetrail: messages wait'
    description: 'The oldest message on the queue has waited for ${oldestMessageMinutes} minutes. RUNBOOK: messages wait'
    severity: 1
    enabled: true
    skipQueryValidation: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT10M'
    windowSize: 'PT15M'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: '${looks} | extend oldest = todouble(line.oldest_s)'
          timeAggregation: 'Minimum'
          metricMeasureColumn: 'oldest'
          operator: 'GreaterThan'
          threshold: oldestMessageMinutes * 60
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

resource letters 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = {
  name: '${name}-dead-letters'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Pipetrail: dead letters'
    description: 'There are messages that could not be understood. RUNBOOK: dead letters'
    severity: 2
    enabled: true
    skipQueryValidation: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: '${looks} | extend letters = todouble(line.dead_letters)'
          timeAggregation: 'Maximum'
          metricMeasureColumn: 'letters'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

resource hooks 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (hooksAreWatched) {
  name: '${name}-hooks'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Pipetrail: hooks are not well'
    description: 'Subscriptions of Azure DevOps are off, on probation or missing: events are being lost. RUNBOOK: hooks are not well'
    severity: 1
    enabled: true
    skipQueryValidation: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: '${lines} | where says == "hooks looked at" | extend unhealthy = todouble(line.unhealthy)'
          timeAggregation: 'Maximum'
          metricMeasureColumn: 'unhealthy'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

// A look that fails is a warning in the log alone, and whoever does not look finds nothing unhealthy.
resource lookedAfter 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (hooksAreWatched) {
  name: '${name}-hooks-unwatched'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Pipetrail: nobody looks after hooks'
    description: 'No worker could ask Azure DevOps about its hooks for two hours. RUNBOOK: nobody looks after hooks'
    severity: 2
    enabled: true
    skipQueryValidation: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT2H'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: '${lines} | where says == "hooks looked at"'
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

resource silence 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (silenceHours > 0) {
  name: '${name}-no-events'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Pipetrail: no events'
    description: 'For ${silenceHours} hours nothing came. RUNBOOK: no events'
    severity: 2
    enabled: true
    skipQueryValidation: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT1H'
    windowSize: silenceHours < 24 ? 'PT${silenceHours}H' : 'P${silenceHours / 24}D'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: '${lines} | where says == "batch settled"'
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}

// Whoever does not run says nothing, so silence is the alert.
resource worked 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = if (workerRunsAlways) {
  name: '${name}-no-worker'
  location: location
  kind: 'LogAlert'
  properties: {
    displayName: 'Pipetrail: nobody works'
    description: 'No worker has looked at the queue for half an hour. RUNBOOK: nobody works'
    severity: 1
    enabled: true
    skipQueryValidation: true
    scopes: [
      workspaceId
    ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT30M'
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: looks
          timeAggregation: 'Count'
          operator: 'LessThan'
          threshold: 1
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [
        people.id
      ]
    }
  }
}
