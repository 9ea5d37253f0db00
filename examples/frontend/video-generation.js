// video-generation.js

class VideoGenerationClient {
  constructor(apiBase, authToken) {
    this.apiBase = apiBase;
    this.authToken = authToken;
  }

  async createJob(params) {
    const formData = new FormData();
    
    if (params.prompt) formData.append('prompt', params.prompt);
    formData.append('model', params.model);
    formData.append('resolution', params.resolution);
    formData.append('aspectRatio', params.aspectRatio);
    if (params.durationSeconds) formData.append('durationSeconds', params.durationSeconds);
    
    if (params.initialImage) formData.append('initialImage', params.initialImage);
    if (params.endFrame) formData.append('endFrame', params.endFrame);
    if (params.referenceImages) {
      params.referenceImages.forEach(img => formData.append('referenceImages', img));
    }

    const response = await fetch(`${this.apiBase}/video-jobs`, {
      method: 'POST',
      headers: {
        'Authorization': `Bearer ${this.authToken}`
      },
      body: formData
    });

    if (response.status === 402) {
      const error = await response.json();
      throw new Error(`Insufficient tokens: ${error.detail.message}`);
    }

    if (!response.ok) {
      throw new Error(`Failed to create job: ${response.statusText}`);
    }

    return await response.json();
  }

  async pollJob(jobId, onUpdate) {
    const poll = async () => {
      const response = await fetch(`${this.apiBase}/video-jobs/${jobId}`, {
        headers: {
          'Authorization': `Bearer ${this.authToken}`
        }
      });

      const job = await response.json();
      onUpdate(job);

      // Continue polling if job is still in progress
      if (job.status === 'PENDING' || job.status === 'RUNNING') {
        setTimeout(poll, 3000); // Poll every 3 seconds
      }
    };

    poll();
  }

  async listJobs(statusFilter = null, limit = 50) {
    const params = new URLSearchParams({ limit });
    if (statusFilter) params.append('status_filter', statusFilter);

    const response = await fetch(`${this.apiBase}/video-jobs?${params}`, {
      headers: {
        'Authorization': `Bearer ${this.authToken}`
      }
    });

    return await response.json();
  }

  async deleteJob(jobId) {
    await fetch(`${this.apiBase}/video-jobs/${jobId}`, {
      method: 'DELETE',
      headers: {
        'Authorization': `Bearer ${this.authToken}`
      }
    });
  }
}
